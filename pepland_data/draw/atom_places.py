"""2D coordinates of the atoms of a peptide: the least crowded layout, long chains in rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Geometry import Point2D, Point3D
from scipy.spatial import cKDTree

from pepland_data.draw.backbone import BOND, Coordinates, backbone, circle, zigzag

ROW_BONDS = 36
"""Backbone bonds per row, at most about this many: twelve residues."""
GAP = 1.6 * BOND
"""Space between rows, and between the molecules of a salt (Angstrom)."""


def lay_out(mol: Any, cuts: list[int]) -> Any:
    """Return the molecule with coordinates; long chains are broken into rows at cut bonds.

    Args:
        mol: any molecule.
        cuts: indices of the bonds at which a row may end.

    Returns:
        The molecule with a 2D conformer. Where a row ends, both sides have a dummy atom after the
        atoms of `mol`, with the same isotope number, so that a reader finds the other side.
    """
    ends = row_ends(mol, backbone(mol), cuts)
    if ends:
        labels = [(k + 1, k + 1) for k in range(len(ends))]
        mol = Chem.FragmentOnBonds(mol, ends, addDummies=True, dummyLabels=labels)
    atoms: list[tuple[int, ...]] = []
    parts = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
    places = stack([best_layout(part) for part in parts])
    conformer = Chem.Conformer(mol.GetNumAtoms())
    conformer.Set3D(False)
    for part, xy in zip(atoms, places, strict=True):
        for atom, (x, y) in zip(part, xy.tolist(), strict=True):
            conformer.SetAtomPosition(atom, Point3D(x, y, 0.0))
    laid_out = Chem.Mol(mol)
    laid_out.RemoveAllConformers()
    laid_out.AddConformer(conformer)
    return laid_out


def row_ends(mol: Any, path: list[int], cuts: list[int]) -> list[int]:
    """Return the bonds at which rows end: evenly along the backbone, never in a ring."""
    rows = math.ceil(len(path) / ROW_BONDS)
    allowed: dict[int, int] = {}
    for position, (i, j) in enumerate(itertools.pairwise(path)):
        bond = mol.GetBondBetweenAtoms(i, j)
        if bond.GetIdx() in cuts and not bond.IsInRing():
            allowed[position] = bond.GetIdx()
    if not allowed:
        return []
    wanted = (len(path) * row / rows for row in range(1, rows))
    nearest = [min(allowed, key=lambda at, w=w: abs(at - w)) for w in wanted]  # type: ignore[misc]
    return [allowed[position] for position in dict.fromkeys(nearest)]


def best_layout(mol: Any) -> Coordinates:
    """Return the least crowded layout, the first one of equals. [A, 2] Angstrom.

    A layout that shows a double bond as the other stereoisomer is taken only if all layouts do.
    """
    bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()], int)
    bonds = bonds.reshape(-1, 2)
    best, least = np.zeros((mol.GetNumAtoms(), 2)), (math.inf, math.inf)
    for xy in layouts(mol):
        xy, crowded = unfolded(mol, xy, bonds)
        faults = (misdrawn(mol, xy), crowded)
        if faults < least:
            best, least = xy, faults
        if least == (0, 0):
            break
    return np.asarray(best - best.min(0))


def misdrawn(mol: Any, xy: Coordinates) -> int:
    """Return how many double bonds with defined stereo are drawn as the other isomer."""
    together = (Chem.BondStereo.STEREOZ, Chem.BondStereo.STEREOCIS)
    apart = (Chem.BondStereo.STEREOE, Chem.BondStereo.STEREOTRANS)
    wrong = 0
    for bond in mol.GetBonds():
        if bond.GetStereo() not in (*together, *apart) or len(bond.GetStereoAtoms()) != 2:
            continue
        begin = xy[bond.GetBeginAtomIdx()]
        along = xy[bond.GetEndAtomIdx()] - begin
        one, other = (xy[atom] - begin for atom in bond.GetStereoAtoms())
        sides = (along[0] * to[1] - along[1] * to[0] for to in (one, other))
        wrong += (math.prod(sides) > 0) != (bond.GetStereo() in together)
    return wrong


def unfolded(mol: Any, xy: Coordinates, bonds: npt.NDArray[np.int64]) -> tuple[Coordinates, float]:
    """Mirror side chains at the bonds that hold them, as long as this reduces the crowding.

    Returns:
        The new coordinates [A, 2] and their crowding.
    """
    sides = list(branches(mol))
    for root, tip, branch in sides:  # RDKit shortens bonds in crowded places
        along = xy[tip] - xy[root]
        xy[branch] += along * (BOND / np.linalg.norm(along) - 1)
    crowded = crowding(xy, bonds)
    better = crowded > 0
    while better:
        better = False
        for root, tip, branch in sides if crowded else ():
            if mol.GetBondBetweenAtoms(root, tip).GetBondType() != Chem.BondType.SINGLE:
                continue
            flipped = xy.copy()
            flipped[branch] = _mirrored(xy[branch], xy[root], xy[tip])
            if (now := crowding(flipped, bonds)) < crowded:
                xy, crowded, better = flipped, now, True
    return xy, crowded


def branches(mol: Any) -> Iterator[tuple[int, int, list[int]]]:
    """Yield the side chains: atom that holds it, its first atom, and all its atoms."""
    path = set(backbone(mol))
    for bond in mol.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        for root, tip in () if bond.IsInRing() else ((i, j), (j, i)):
            side = _branch_atoms(mol, root, tip)
            if len(side) <= mol.GetNumAtoms() // 2 and path.isdisjoint(side):
                yield root, tip, side


def _branch_atoms(mol: Any, root: int, tip: int) -> list[int]:
    """Return the atoms that only the bond root-tip joins to the root, including the tip."""
    found, waiting = {root, tip}, [tip]
    while waiting:
        for neighbor in mol.GetAtomWithIdx(waiting.pop()).GetNeighbors():
            if neighbor.GetIdx() not in found:
                found.add(neighbor.GetIdx())
                waiting.append(neighbor.GetIdx())
    return sorted(found - {root})


def _mirrored(points: Coordinates, root: Coordinates, tip: Coordinates) -> Coordinates:
    """Return points mirrored at the line from root to tip."""
    along = (tip - root) / np.linalg.norm(tip - root)
    to = points - root
    return np.asarray(root + 2 * np.outer(to @ along, along) - to)


def layouts(mol: Any) -> Iterator[Coordinates]:
    """Yield layouts, the most readable first: zigzag, circle, RDKit's own, CoordGen's."""
    mol.UpdatePropertyCache(strict=False)
    Chem.GetSSSR(mol)
    for fixed in filter(None, (zigzag(mol, backbone(mol)), circle(mol))):
        points = {atom: Point2D(x, y) for atom, (x, y) in fixed.items()}
        yield _computed(mol, coordMap=points, canonOrient=False)
    yield _level(_computed(mol, canonOrient=True), mol)
    if mol.GetNumAtoms() > 2:
        yield _level(_computed(mol, canonOrient=True, forceRDKit=False), mol)


def _computed(mol: Any, forceRDKit: bool = True, **options: Any) -> Coordinates:
    """Return coordinates of RDKit or CoordGen, scaled so that the median bond has length BOND."""
    rdDepictor.SetPreferCoordGen(not forceRDKit)
    try:
        rdDepictor.Compute2DCoords(mol, clearConfs=True, **options)
    finally:
        rdDepictor.SetPreferCoordGen(False)
    xy = mol.GetConformer().GetPositions()[:, :2]
    ends = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()], int)
    if len(ends):
        xy = xy * (BOND / np.median(np.linalg.norm(xy[ends[:, 0]] - xy[ends[:, 1]], axis=1)))
    return np.asarray(xy, np.float64)


def _level(xy: Coordinates, mol: Any) -> Coordinates:
    """Rotate a layout so that its backbone runs from left to right."""
    path = backbone(mol)
    if len(path) < 2:
        return xy
    x, y = xy[path[-1]] - xy[path[0]]
    angle = -math.atan2(y, x)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return np.asarray(xy @ turn)


def crowding(xy: Coordinates, bonds: npt.NDArray[np.int64]) -> float:
    """Return the number of pairs of atoms that nearly touch, plus five per crossing of bonds."""
    touching = len(cKDTree(xy).query_pairs(0.75 * BOND))
    return float(touching + 5 * _crossing(xy, bonds))


def _crossing(xy: Coordinates, bonds: npt.NDArray[np.int64]) -> int:
    """Return the number of pairs of bonds that cross; bonds with a common atom do not count."""
    begin, end = xy[bonds[:, 0]], xy[bonds[:, 1]]

    def side(points: Coordinates) -> Coordinates:
        """Return on which side of each bond (rows) each point (columns) lies."""
        along, to = (end - begin)[:, None], points[None] - begin[:, None]
        return np.asarray(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0])

    separates = side(begin) * side(end) < 0  # row: bond whose line separates the ends of a column
    joined = (bonds[:, None, :, None] == bonds[None, :, None, :]).any((2, 3))
    return int(np.sum(separates & separates.T & ~joined)) // 2


def stack(parts: list[Coordinates]) -> list[Coordinates]:
    """Arrange parts in lines no wider than the widest part, from top to bottom."""
    sizes = [np.ptp(xy, axis=0) for xy in parts]
    widest = max(float(size[0]) for size in sizes)
    placed, x, top, lowest = [], 0.0, 0.0, 0.0
    for xy, (width, height) in zip(parts, sizes, strict=True):
        if x > 0 and x + width > widest:
            x, top = 0.0, lowest - GAP
        placed.append(xy + np.array([x, top - height]))
        x, lowest = x + float(width) + GAP, min(lowest, top - float(height))
    return placed
