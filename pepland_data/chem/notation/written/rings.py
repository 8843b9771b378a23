"""Bonds between side chains: rings inside of a chain, disulfides and lactams."""

from __future__ import annotations

from collections.abc import Sequence

from pepland_data.chem.notation.written.bridges import Bridge
from pepland_data.chem.notation.written.names import Names
from pepland_data.chem.notation.written.structure import End, Residue, UnreadableError
from pepland_data.chem.notation.written.variants import has_thiol

FEWEST_NUMBERS = 3
"""Consecutive numbers that are places of residues; a single one may be a repeat, as in Gly3."""
Pair = tuple[int, int]
"""Places of two residues, from 0."""


def ring_bond(
    residues: Sequence[Residue], pair: Pair, free: tuple[bool, bool], names: Names
) -> Pair:
    """Return the residues whose side chains close a ring inside of a chain.

    Args:
        residues: the residues of the chain.
        pair: the first and the last residue of the ring.
        free: whether the N end and the C end of the chain are not said to be free or capped.
        names: the names of the library in use.

    Raises:
        UnreadableError: the ring may be closed by another bond, or by none.
    """
    others = _other_bonds(residues, pair, free, names)
    if others or not side_chain_bond(residues, pair, names):
        one, two = (residues[place].name for place in pair)
        said = f"a ring inside of a chain, from {one!r} to {two!r}, "
        said += f"may be closed by {' or '.join(others)}" if others else "has no certain bond"
        raise UnreadableError(f"{said}; write it as HELM")
    return pair


def side_chain_bond(residues: Sequence[Residue], pair: Pair, names: Names) -> str:
    """Return which bond the side chains of two residues can form, '' for none."""
    one, two = (residues[place] for place in pair)
    if all(has_thiol(residue.monomer, names.given) for residue in (one, two)):
        return "disulfide"
    amide = (names.has_acid(one) and names.has_amine(two)) or (
        names.has_amine(one) and names.has_acid(two)
    )
    return "lactam" if amide else ""


def _other_bonds(
    residues: Sequence[Residue], pair: Pair, free: tuple[bool, bool], names: Names
) -> list[str]:
    """Return the readings of a ring that an end of the chain closes, and its lactam."""
    one, two = (residues[place] for place in pair)
    ends = free[0] and pair[0] == 0, free[1] and pair[1] == len(residues) - 1
    found = []
    if ends[0] and names.has_acid(two):
        found.append(f"the N end and the side chain of {two.name!r}")
    if ends[1] and names.has_amine(one):
        found.append(f"the side chain of {one.name!r} and the C end")
    if found and side_chain_bond(residues, pair, names):
        found.append("both side chains")
    return found


def bridge_bond(residues: Sequence[Residue], bridge: Bridge, names: Names) -> Pair:
    """Return the residues of a bond that is named behind a sequence.

    Raises:
        UnreadableError: they cannot have this bond, or are not those that it names.
    """
    if not bridge.one:
        return _only_disulfide(residues, bridge, names)
    said = f"{bridge.kind or 'disulfide'} {bridge.one}-{bridge.two}"
    if bridge.one == bridge.two:
        raise UnreadableError(f"{said} joins a residue to itself")
    first = _first_number(residues)
    one, two = bridge.one - first, bridge.two - first
    for place, number, name in zip((one, two), bridge[:2], bridge.names, strict=True):
        _check_place(residues, place, number, said)
        _check_name(residues[place], number, name, said, names)
    _check_bond(residues, (one, two), bridge, said, names)
    if not bridge.kind and (one, two) == (0, len(residues) - 1):
        raise UnreadableError(
            f"({bridge.one}-{bridge.two}) is a disulfide or the part of a protein; write "
            f"(disulfide bridge: {bridge.one}-{bridge.two}) for the first"
        )
    return one, two


def _only_disulfide(residues: Sequence[Residue], bridge: Bridge, names: Names) -> Pair:
    """Return the two residues with thiols, if there are no others."""
    places = [i for i, r in enumerate(residues) if has_thiol(r.monomer, names.given)]
    if bridge.kind != "disulfide" or len(places) != 2:
        raise UnreadableError(
            f"the {bridge.kind} has no places; write it as ({bridge.kind} bridge: 2-7)"
        )
    return places[0], places[1]


def _first_number(residues: Sequence[Residue]) -> int:
    """Return the number of the first residue, 1 if the text gives none."""
    found = {residue.number - i for i, residue in enumerate(residues) if residue.number}
    return found.pop() if found else 1


def check_numbers(residues: Sequence[Residue]) -> None:
    """Refuse residues whose numbers in the text are not consecutive, or may be repeats."""
    numbered = [residue for residue in residues if residue.number]
    if not numbered:
        return
    if len(numbered) < FEWEST_NUMBERS:
        name = f"{numbered[0].name}{numbered[0].number}"
        raise UnreadableError(f"{name!r} may be a residue and its place, or a repeat; write HELM")
    for number, residue in enumerate(residues, _first_number(residues)):
        if residue.number and residue.number != number:
            raise UnreadableError(f"{residue.name!r} is at place {number} of its numbers")


def _check_place(residues: Sequence[Residue], place: int, number: int, said: str) -> None:
    if not 0 <= place < len(residues):
        raise UnreadableError(f"{said}: there are {len(residues)} residues, no {number}")


def _check_name(residue: Residue, number: int, name: str, said: str, names: Names) -> None:
    """Refuse a residue that is not the one that a bond names."""
    if not name:
        return
    named = names.residue(name) if len(name) > 1 else names.letter(name)
    if named is None or named.base != residue.base:
        raise UnreadableError(f"{said}: residue {number} is {residue.name!r}, not {name}")


def _check_bond(
    residues: Sequence[Residue], pair: Pair, bridge: Bridge, said: str, names: Names
) -> None:
    """Refuse a bond that the side chains cannot form."""
    possible = side_chain_bond(residues, pair, names)
    if possible and bridge.kind in (possible, "ring"):
        return
    if bridge.kind in ("", "disulfide"):
        _check_thiols(residues, pair, bridge, said, names)
        return
    one, two = (residues[place].name for place in pair)
    what = "the bond" if bridge.kind == "ring" else "such a bond"
    raise UnreadableError(f"{said}: {what} between {one!r} and {two!r} is not certain; write HELM")


def _check_thiols(
    residues: Sequence[Residue], pair: Pair, bridge: Bridge, said: str, names: Names
) -> None:
    for place, number in zip(pair, bridge[:2], strict=True):
        if not has_thiol(residues[place].monomer, names.given):
            name = residues[place].name
            raise UnreadableError(f"{said}: residue {number}, {name!r}, has no thiol")


def bonds_of(pairs: Sequence[Pair], first: int) -> list[tuple[End, End]]:
    """Return bonds of side chains as ends of monomers.

    Args:
        pairs: the residues.
        first: the place of the first residue in its chain.

    Raises:
        UnreadableError: a residue has two bonds.
    """
    places = [place for pair in pairs for place in pair]
    for place in places:
        if places.count(place) > 1:
            raise UnreadableError(f"two bonds are at the side chain of residue {place + 1}")
    return [((0, one + first, 3), (0, two + first, 3)) for one, two in pairs]
