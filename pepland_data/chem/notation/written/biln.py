"""BILN, the line notation of Boehringer Ingelheim: ``ac-A-C(1,3)-D-C(1,3)-am``.

Monomers are symbols of the library in use. A bond ``(b,r)`` joins point r of two monomers with the
same number b. Chains are separated by dots (Fox et al. 2022, doi 10.1021/acs.jcim.2c00703; Ochoa
et al. 2023, doi 10.1186/s13321-023-00748-2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pepland_data.chem.notation.written.brackets import check_brackets, split_at
from pepland_data.chem.notation.written.names import Names
from pepland_data.chem.notation.written.structure import (
    End,
    Peptide,
    UnreadableError,
    check_connected,
    token,
)
from pepland_data.chem.notation.written.variants import points_of

BOND = re.compile(r"\(([1-9]\d{0,3}),([1-9])\)$")
ENDS = {"OH": "", "NH2": "am"}
"""Names of a last monomer in newer BILN -> the monomer."""
Bonds = dict[int, list[End]]


def read_biln(text: str, names: Names) -> Peptide:
    """Return the peptide of a text.

    Args:
        text: the text.
        names: the names of the library in use.

    Raises:
        UnreadableError: a monomer is in no library, or a bond is wrong.
    """
    check_brackets(text)
    chains: list[list[str]] = []
    bonds: Bonds = {}
    for number, part in enumerate(split_at(text, ".")):
        chains.append(_chain(part, number, bonds, names))
    links = list(_links(bonds))
    check_connected(len(chains), links)
    return Peptide(chains, links)


def _chain(text: str, number: int, bonds: Bonds, names: Names) -> list[str]:
    """Return the monomers of a chain, and add the ends of its bonds to `bonds`."""
    words = split_at(text, "-")
    monomers: list[str] = []
    for place, word in enumerate(words):
        name, points = _parts(word)
        where = f"monomer {place + 1}, {word[:40]!r}" if word else f"monomer {place + 1}"
        if not name:
            raise UnreadableError(f"{where}: it has no name")
        if place and place == len(words) - 1 and name in ENDS and not points:
            name = ENDS[name]
        if name:
            used = [1] * (place > 0) + [2] * (place + 1 < len(words)) + [r for _, r in points]
            _check_points(name, used, where, names)
            monomers.append(token(name))
        for bond, point in points:
            bonds.setdefault(bond, []).append((number, place, point))
    return monomers


def _parts(word: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the symbol of a monomer and its bonds with their points."""
    points: list[tuple[int, int]] = []
    while found := BOND.search(word):
        points.insert(0, (int(found[1]), int(found[2])))
        word = word[: found.start()]
    return word[1:-1] if word[:1] == "[" and word[-1:] == "]" else word, points


def _check_points(name: str, used: list[int], where: str, names: Names) -> None:
    if re.search(r"[\[\]{}|$\"':]", name):
        raise UnreadableError(f"{where}: {name[:40]!r} is no symbol")
    try:
        known = points_of(name, names.given)
    except UnreadableError as error:
        raise UnreadableError(f"{where}: {error}") from None
    for point in used:
        if point not in known:
            raise UnreadableError(f"{where}: {name!r} has no R{point} for a bond")
        if used.count(point) > 1:
            raise UnreadableError(f"{where}: two bonds are at its R{point}")


def _links(bonds: Bonds) -> Iterator[tuple[End, End]]:
    for bond, ends in bonds.items():
        if len(ends) != 2:
            raise UnreadableError(f"bond {bond} has {len(ends)} ends; expected 2")
        if ends[0][:2] == ends[1][:2]:
            raise UnreadableError(f"bond {bond} joins a monomer to itself")
        yield ends[0], ends[1]
