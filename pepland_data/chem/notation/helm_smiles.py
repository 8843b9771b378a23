"""Write HELM as one SMILES from a template for each monomer, without RDKit for each text.

Residues follow each other as in the text. Chains are separated by dots, and connections are ring
closures ``%10`` to ``%99``. What cannot be written in this way is left to `helm.read_helm`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import chain
from typing import Any

from rdkit import rdBase

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.monomers.library import MonomerLibrary, library_of
from pepland_data.chem.notation.monomer_template import is_known_to_rdkit, monomer_template

HELM = re.compile(r"([^$]+)\$([^$]*)\$\$\$(?:V2\.0)?")
CHAIN = re.compile(r"(PEPTIDE[0-9]+)\{([^{}]+)\}")
CONNECTION = re.compile(r"(\w+),(\w+),([1-9]\d{0,5}):R([1-9])-([1-9]\d{0,5}):R([1-9])", re.ASCII)
CLOSURES = range(10, 100)
"""Numbers of the ring closures; those of a template are smaller."""
KEPT = 1 << 16
"""Answers about monomers that are remembered."""
SULFURS = {("C", 3), ("[C]", 3), ("[dC]", 3)}
"""Monomers and points whose bonds RDKit reads, beside all bonds of R1 to R2."""
NONE: dict[int, str] = {}
Chains = dict[str, list[str]]
End = tuple[str, int, int]
"""Chain, place in the chain and point of one end of a connection."""


class _OtherHelm(Exception):
    """A text has to be read by `helm.read_helm`."""


def helm_smiles(
    text: str, given: GivenMonomers | None = None, translated: bool = False
) -> str | None:
    """Return a HELM text as SMILES, None if it has to be read in another way.

    So has what RDKit may read as HELM, because RDKit then decides the order of the atoms.

    Args:
        text: the HELM.
        given: monomers beside those of helmkit's library.
        translated: whether the HELM is that of another notation; then nothing is left to RDKit,
            and inline monomers ``[[*:1]...]`` are written too.
    """
    try:
        return _writer(given, translated).smiles(text)
    except (_OtherHelm, ImportError):  # ImportError: there is no helmkit
        return None


@lru_cache(maxsize=8)
def _writer(given: GivenMonomers | None, translated: bool) -> _Writer:
    return _Writer(library_of(given), translated)


class _Bonds:
    """The ring closures of a text, and the points that they join."""

    def __init__(self, links: list[tuple[End, End]]) -> None:
        self._closures = iter(CLOSURES)
        self._points: dict[tuple[str, int], dict[int, str]] = {}
        for link in links:
            self.close(*link)

    def close(self, *link: End) -> None:
        """Join two points by the next closure."""
        closure = next(self._closures, None)
        for name, place, point in link:
            points = self._points.setdefault((name, place), {})
            if closure is None or point in points:
                raise _OtherHelm
            points[point] = f"%{closure}"

    def points(self, name: str, place: int) -> dict[int, str]:
        """Return the joined points of a monomer, each with its closure."""
        return self._points.get((name, place), NONE)


class _Writer:
    """Writes HELM with the monomers of one library."""

    def __init__(self, library: MonomerLibrary, translated: bool) -> None:
        self._library, self._translated = library, translated
        self._template = _known(partial(monomer_template, library.monomers["aa"], translated))
        self._is_known_to_rdkit = _known(is_known_to_rdkit)

    def smiles(self, text: str) -> str:
        """Return a text as SMILES; _OtherHelm if it has to be read in another way."""
        match = HELM.fullmatch(text)
        if match is None:
            raise _OtherHelm
        chains = _chains(match[1])
        links = list(_links(match[2], chains)) if match[2] else []
        if not self._translated and self._may_be_read_by_rdkit(text, chains, links):
            raise _OtherHelm
        bonds = _Bonds(links)
        return ".".join(["".join(self._parts(name, chains[name], bonds)) for name in chains])

    def _may_be_read_by_rdkit(
        self, text: str, chains: Chains, links: list[tuple[End, End]]
    ) -> bool:
        return (
            all(map(self._is_known_to_rdkit, chain.from_iterable(chains.values())))
            and all(_is_bond_of_rdkit(link, chains) for link in links)
            and not self._library.overrides_rdkit(text)
        )

    def _parts(self, name: str, tokens: list[str], bonds: _Bonds) -> Iterator[str]:
        """Yield the parts of the SMILES of a chain.

        If R2 of a monomer is inside of its SMILES, the bond to the next one is a closure.
        """
        before = False
        for place, token in enumerate(tokens):
            after = place + 1 < len(tokens)
            part = self._part(token, before, after, bonds.points(name, place))
            if part is None and after:
                after = False
                bonds.close((name, place, 2), (name, place + 1, 1))
                part = self._part(token, before, after, bonds.points(name, place))
                part = part and f"{part}."
            if part is None:
                raise _OtherHelm
            yield part
            before = after

    def _part(self, token: str, before: bool, after: bool, points: dict[int, str]) -> str | None:
        part: str | None = self._template(token, before, after, tuple(points))
        for point, closure in points.items():
            part = part and part.replace(f"{{{point}}}", closure)
        return part


def _known(work_out: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with a memory, whose messages are those of no text."""

    def quietly(*arguments: Any) -> Any:
        with rdBase.BlockLogs():
            return work_out(*arguments)

    return lru_cache(KEPT)(quietly)


def _chains(text: str) -> Chains:
    """Return name -> monomers of the chains; _OtherHelm for all that is not only peptides."""
    found = [CHAIN.fullmatch(polymer) for polymer in text.split("|")]
    chains = {match[1]: match[2].split(".") for match in found if match}
    if len(chains) < len(found):
        raise _OtherHelm
    return chains


def _links(text: str, chains: Chains) -> Iterator[tuple[End, End]]:
    """Yield the connections; _OtherHelm if one does not join two monomers of the chains."""
    for connection in text.split("|"):
        match = CONNECTION.fullmatch(connection)
        if match is None:
            raise _OtherHelm
        one, two = (match[1], int(match[3]) - 1), (match[2], int(match[5]) - 1)
        if one == two or any(place >= len(chains.get(name, ())) for name, place in (one, two)):
            raise _OtherHelm
        yield (*one, int(match[4])), (*two, int(match[6]))


def _is_bond_of_rdkit(link: tuple[End, End], chains: Chains) -> bool:
    """Return whether RDKit's HELM reader knows a bond: of R1 to R2, or of two cysteines."""
    ends = {(chains[name][place], point) for name, place, point in link}
    return {point for _, point in ends} == {1, 2} or ends <= SULFURS
