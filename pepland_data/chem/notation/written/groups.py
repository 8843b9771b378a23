"""Groups at side chains: those of the table, substituents of rings, and chains at an amine."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from pepland_data.chem.notation.written.brackets import split_at
from pepland_data.chem.notation.written.caps import leading_cap
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.structure import Residue, UnreadableError

PLACES = {"o": "2", "m": "3", "p": "4"}
MOST_WORDS = 3
"""Words of a residue in a group: ``γ-Glu``, ``D-γ-Glu``."""
OUTWARDS = ("γGlu", "AEEA")
"""Links to a fatty acid, which chemists also write from the side chain outwards."""
Named = Callable[[str], Residue | None]


def modified_monomer(base: str, group: str) -> str | None:
    """Return the monomer of a residue with a group, None if it is unknown.

    Raises:
        UnreadableError: the group has several structures there.
    """
    name = f"{base}({group})"
    if name in table()["ambiguous_groups"]:
        raise UnreadableError(f"{group!r} is ambiguous: {table()['ambiguous_groups'][name]}")
    if base == "F" and group in table()["ring_groups"]:
        raise UnreadableError(f"{group!r} may be at place 2, 3 or 4; write Phe(4-{group})")
    known: str | None = table()["modified"].get(name)
    return known or _substituted(base, group)


def _substituted(base: str, group: str) -> str | None:
    """Return a residue with a group at a place of its ring."""
    found = _ring_group().fullmatch(group)
    template = found and table()["ring_places"].get(base + PLACES.get(found[1], found[1]))
    return template.format(f"({table()['ring_groups'][found[2]]})") if found and template else None


def group_before(name: str) -> tuple[str, str]:
    """Return ``4-Cl-Phe`` as Phe and 4-Cl, any other name as it is."""
    found = re.fullmatch(rf"({_ring_group().pattern})-?Phe", name)
    return ("Phe", found[1]) if found else (name, "")


@cache
def ring_leaders() -> frozenset[str]:
    """Return the words that may begin a name as ``4-Cl-Phe``."""
    places = (*"234", *PLACES)
    return frozenset((*places, *(p + group for p in places for group in table()["ring_groups"])))


@cache
def _ring_group() -> re.Pattern[str]:
    names = "|".join(map(re.escape, table()["ring_groups"]))
    return re.compile(rf"([234omp])-?({names})")


def branch_of(group: str, named: Named) -> tuple[str, ...]:
    """Return the monomers of a chain at an amine, the bonded one last, () for an unknown group.

    Args:
        group: a cap (``Dnp``), residues from N to C (``Ac-Gly-Gly``), or links to a fatty acid from
            the side chain outwards (``γ-Glu-Pal``).
        named: returns the residue of a name.
    """
    words = split_at(group, "-")
    cap, count = _cap(words)
    residues = _residues(words[count:], named)
    if residues is not None:
        _check_bonds(residues, bool(cap))
        return tuple(monomer for monomer in (cap, *(r.monomer for r in residues)) if monomer)
    for count in range(1, len(words)):
        cap, taken = _cap(words[count:])
        ends = cap and taken == len(words) - count
        links = [residue.monomer for residue in _residues(words[:count], named) or ()]
        if ends and links and _outwards().issuperset(links):
            return (cap, *reversed(links))
    return ()


def _outwards() -> set[str]:
    return {table()["residues"][name] for name in OUTWARDS}


def _check_bonds(residues: Sequence[Residue], capped: bool) -> None:
    """Refuse a last residue that either of two acids may bond, and pyroglutamate inside."""
    if residues and residues[-1].base in ("D", "E", "Aad"):
        raise UnreadableError(
            "it may be bonded by the acid of the side chain; write γ-Glu, or HELM"
        )
    for residue in residues[not capped :]:
        if residue.monomer == "Glp":
            raise UnreadableError(f"{residue.name!r} has no amine, so nothing can stand before it")


def _cap(words: Sequence[str]) -> tuple[str, int]:
    """Return the cap at the start and its number of words."""
    small = words[0].isalpha() and words[0].islower() and len(words[0]) > MOST_WORDS
    words = [words[0].capitalize(), *words[1:]] if small else words
    count = leading_cap(words)
    return str(table()["n_caps"].get("-".join(words[:count]), "")), count


def _residues(words: Sequence[str], named: Named) -> list[Residue] | None:
    """Return the residues of words, None if they are none."""
    found: list[Residue] = []
    place = 0
    while place < len(words):
        for count in range(MOST_WORDS, 0, -1):
            residue = _residue("-".join(words[place : place + count]), named)
            if residue and place + count <= len(words):
                break
        else:
            return None
        found.append(residue)
        place += count
    return found


def _residue(name: str, named: Named) -> Residue | None:
    try:
        residue = named(name)
    except UnreadableError:
        return None
    return None if residue is None or residue.branch else residue
