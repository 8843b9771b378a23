"""A proof from a piece alone that RDKit keeps the stereo centres that are written in it.

RDKit removes the mark of a centre with two neighbours of equal rank. The ranks are refined step by
step: two atoms differ if their elements differ, or what was known of their neighbours one step
before. Atoms that differ once differ for ever. So two neighbours that differ within the part of
the molecule that the key describes differ in every molecule with that key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import NamedTuple

from pepland_data.chem.smiles.atom_token import CARBON

STEPS = 3
"""RDKit takes at least half as many steps as there are atoms, so three in a molecule of five."""
UNKNOWN = None
Colour = Hashable | None


class Neighbourhood(NamedTuple):
    """A piece and what is written beyond its cut bonds."""

    element: list[int]
    """Atomic number of each atom: of the piece, beyond its cuts, and beyond those."""
    hydrogens: list[int]
    bonds: list[list[tuple[int, int]]]
    """The neighbours of the atoms of the piece and beyond its cuts, and how often RDKit counts
    each; nothing is known about the neighbours of later atoms."""


def centre_is_kept(piece: Neighbourhood, centre: int) -> bool:
    """Return whether a marked atom has four neighbours of proven difference."""
    neighbours = [other for other, _ in piece.bonds[centre]]
    tetrahedral = (len(neighbours), piece.hydrogens[centre]) in ((4, 0), (3, 1))
    if piece.element[centre] != CARBON or not tetrahedral:
        return False
    open_pairs = set(combinations(neighbours, 2))
    colours: Sequence[Colour] = piece.element
    for _ in range(STEPS + 1):
        open_pairs = {(a, b) for a, b in open_pairs if not _differ(colours[a], colours[b])}
        if not open_pairs:
            return True
        colours = [_refined(piece, atom, colours) for atom in range(len(colours))]
    return False


def _differ(one: Colour, other: Colour) -> bool:
    return one is not UNKNOWN and other is not UNKNOWN and one != other


def _refined(piece: Neighbourhood, atom: int, colours: Sequence[Colour]) -> Colour:
    """Return what is known of an atom after one more step, `UNKNOWN` if not all of it is."""
    if atom >= len(piece.bonds) or any(colours[o] is UNKNOWN for o, _ in piece.bonds[atom]):
        return UNKNOWN
    around: Counter[Colour] = Counter()
    for other, count in piece.bonds[atom]:
        around[colours[other]] += count
    return colours[atom], frozenset(around.items()), piece.hydrogens[atom]
