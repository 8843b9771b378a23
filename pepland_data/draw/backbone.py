"""Shapes of a drawn backbone: a zigzag to the right, or a circle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from pepland_data.chem.cuts import NO_LIMIT, amide_pattern

BOND = 1.5
"""Length of a drawn bond (Angstrom)."""
STEP, RISE = BOND * math.cos(math.pi / 6), BOND / 2
"""Width and height of one bond of the zigzag (Angstrom)."""
ROOM = 0.6 * BOND
"""Extra length of the two bonds before a ring of the backbone, for the side chain there."""
WIDER = 1.25
"""Factor of the bond length in a circle, so that neighbouring substituents have space."""
SMALL, LARGE = 7, 9
"""Rings of at most SMALL atoms hang on a backbone; of at least LARGE are drawn as a circle."""

Coordinates = npt.NDArray[np.float64]
Places = dict[int, tuple[float, float]]
"""Atom -> its fixed coordinates (Angstrom)."""


def backbone(mol: Any) -> list[int]:
    """Return the atoms of the backbone: the longest shortest path between amides, and its ends.

    Amides are secondary or tertiary. The path is empty without two of their atoms in one molecule.
    """
    ends = set()
    for carbon, _, nitrogen in mol.GetSubstructMatches(amide_pattern(), maxMatches=NO_LIMIT):
        if mol.GetAtomWithIdx(nitrogen).GetDegree() > 1:
            ends |= {carbon, nitrogen}
    if len(ends) < 2:
        return []
    among = sorted(ends)
    distance = Chem.GetDistanceMatrix(mol)[np.ix_(among, among)]
    distance[distance > mol.GetNumAtoms()] = 0  # atoms of other molecules
    begin, end = np.unravel_index(distance.argmax(), distance.shape)
    if begin == end:
        return []
    path = list(Chem.GetShortestPath(mol, among[begin], among[end]))
    return [*reversed(_extension(mol, path[0], path)), *path, *_extension(mol, path[-1], path)]


def _extension(mol: Any, end: int, path: list[int]) -> list[int]:
    """Return the alpha carbon after the end of a backbone, and the dummy atom after that."""
    found: list[int] = []
    for allowed in ((0, 6), (0,)):
        neighbors = mol.GetAtomWithIdx(found[-1] if found else end).GetNeighbors()
        found += [
            atom.GetIdx()
            for atom in sorted(neighbors, key=lambda atom: atom.GetAtomicNum())
            if atom.GetAtomicNum() in allowed
            and atom.GetIdx() not in path
            and mol.GetRingInfo().MinAtomRingSize(atom.GetIdx()) <= SMALL
        ][:1]
    return found


def zigzag(mol: Any, path: list[int]) -> Places:
    """Return places of a backbone that runs to the right, and of the small rings on it.

    If the path enters and leaves a ring by neighbouring atoms (proline), the ring is drawn outside
    the zigzag on a horizontal bond. The result is empty if the path meets any other ring, because
    no zigzag is readable there.
    """
    rings = [set(ring) for ring in mol.GetRingInfo().AtomRings()]
    places: Places = {}
    x, side = 0.0, 0
    previous: int | None = None
    for i, atom in enumerate(path):
        shared = [ring for ring in rings if previous in ring and atom in ring]
        if any(len(ring & set(path)) > 2 or len(ring) > SMALL for ring in rings if atom in ring):
            return {}
        if shared and previous is not None:
            places[atom] = (x + BOND, side * RISE)
            outward = np.array([0.0, -1.0 if side == 0 else 1.0])
            places |= _ring_places(mol, shared[0], (previous, atom), places, outward)
        else:
            side = 1 - side
            near = set(path[i : i + 2])
            wide = ROOM if any(near & ring for ring in rings) else 0.0
            places[atom] = (x + STEP + wide if places else 0.0, side * RISE)
        x, previous = places[atom][0], atom
    return places


def _ring_places(
    mol: Any, ring: set[int], bond: tuple[int, int], places: Places, outward: Coordinates
) -> Places:
    """Return the places of the other atoms of a regular ring, on one side of a placed bond.

    Args:
        mol: the molecule.
        ring: atoms of the ring.
        bond: two neighbouring atoms of the ring that have places.
        places: of these two atoms.
        outward: [2] direction from the bond to the ring, of length 1.
    """
    atoms = next(list(r) for r in mol.GetRingInfo().AtomRings() if set(r) == ring)
    start = atoms.index(bond[0])
    atoms = atoms[start:] + atoms[:start]
    if atoms[1] == bond[1]:  # the other direction, so that the bond comes last
        atoms = [atoms[0], *atoms[:0:-1]]
    point, other = np.array(places[bond[0]]), np.array(places[bond[1]])
    along = (other - point) / np.linalg.norm(other - point)
    turn = 2 * math.pi / len(atoms)
    found, angle = {}, math.pi - turn
    for atom in atoms[1:-1]:
        point = point + BOND * (math.cos(angle) * along + math.sin(angle) * outward)
        found[atom] = (float(point[0]), float(point[1]))
        angle -= turn
    return found


def circle(mol: Any) -> Places:
    """Return places of the largest ring as a circle, and of the small rings on its outside.

    The result is empty if the largest ring has fewer than `LARGE` atoms, or if another ring shares
    more than one bond with it.
    """
    rings = [list(ring) for ring in mol.GetRingInfo().AtomRings()]
    largest = max(rings, key=len, default=[])
    if len(largest) < LARGE:
        return {}
    radius = WIDER * BOND / 2 / math.sin(math.pi / len(largest))
    angles = 2 * math.pi / len(largest) * np.arange(len(largest))
    places: Places = {
        atom: (radius * math.cos(angle), radius * math.sin(angle))
        for atom, angle in zip(largest, angles.tolist(), strict=True)
    }
    for ring in rings:
        shared = [atom for atom in ring if atom in largest]
        if ring == largest or not shared:
            continue
        if len(shared) != 2 or mol.GetBondBetweenAtoms(*shared) is None or len(ring) > SMALL:
            return {}
        middle = np.array(places[shared[0]]) + np.array(places[shared[1]])
        outward = middle / np.linalg.norm(middle)
        places |= _ring_places(mol, set(ring), (shared[0], shared[1]), places, outward)
    return places
