"""What RDKit answered about the pieces of a text that it read, and whether it may be remembered.

An answer is remembered if it holds in every molecule with the same key. ``docs/featurizer.md``
gives the proof; the checks here are the conditions of that proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pepland_data.chem.fast.molecule_batch import DistinctRecords
from pepland_data.chem.fast.rdkit_records import (
    AROMATIC_TYPE,
    DIRECTION,
    SINGLE,
    STEREO,
    RdkitRecords,
    atom_fields,
    bond_type,
)
from pepland_data.chem.smiles.atom_token import AROMATIC, CHIRAL
from pepland_data.chem.smiles.cuts import SMALL_RING
from pepland_data.chem.smiles.pieces import WrittenPieces
from pepland_data.chem.smiles.stereo_proof import Neighbourhood, centre_is_kept
from pepland_data.chem.smiles.written_rows import AROMATIC_BOND, TYPE, WrittenRows

MAX_FUSED_RINGS = 8
"""Rings of one piece that may be aromatic; RDKit limits its search in larger systems."""
Answer = tuple[list[int], list[int]]
"""Numbers of the records of a piece's atoms and bonds in `DistinctRecords`."""


@dataclass(frozen=True)
class ReadRow:
    """One text as written and as RDKit read it."""

    rows: WrittenRows
    pieces: WrittenPieces
    row: int
    mol: Any
    records: RdkitRecords

    @property
    def first_atom(self) -> int:
        """The first atom of the text in its batch."""
        return int(self.rows.atom_ptr[self.row])

    @property
    def first_bond(self) -> int:
        """The first bond of the text in its batch."""
        return int(self.rows.bond_ptr[self.row])

    def agrees(self) -> bool:
        """Return whether RDKit has the same atoms, bonds and bonds in rings."""
        atoms = slice(self.first_atom, self.rows.atom_ptr[self.row + 1])
        bonds = slice(self.first_bond, self.rows.bond_ptr[self.row + 1])
        ends = np.stack([self.rows.begin[bonds], self.rows.end[bonds]], 1) - self.first_atom
        rings = {bond for ring in self.mol.GetRingInfo().BondRings() for bond in ring}
        return (
            len(self.rows.token[atoms]) == len(self.records.atoms)
            and np.array_equal(ends, self.records.ends)
            and set(np.flatnonzero(self.pieces.in_ring[bonds]).tolist()) == rings
        )

    def answer(self, piece: int, distinct: DistinctRecords) -> Answer | None:
        """Return RDKit's answer about a piece, or None if it may not hold elsewhere."""
        atoms, bonds = self._atoms(piece), self._bonds(piece)
        if not (
            self._as_written(atoms, bonds)
            and self._rings_are_small(bonds)
            and self._centres_are_kept(atoms, bonds)
        ):
            return None
        return (
            [distinct.atoms[self.records.atoms[a - self.first_atom]] for a in atoms],
            [distinct.bonds[self.records.bonds[b - self.first_bond]] for b in bonds],
        )

    def _atoms(self, piece: int) -> list[int]:
        ptr = self.pieces.atom_ptr
        return self.pieces.atom[ptr[piece] : ptr[piece + 1]].tolist()

    def _bonds(self, piece: int) -> list[int]:
        ptr = self.pieces.bond_ptr
        return self.pieces.bond[ptr[piece] : ptr[piece + 1]].tolist()

    def _as_written(self, atoms: list[int], bonds: list[int]) -> bool:
        """Return whether all that is written as aromatic is aromatic, and no bond has stereo."""
        for atom in atoms:
            fields = atom_fields(self.records.atoms[atom - self.first_atom])
            if self.rows.token[atom] & AROMATIC and not fields["aromatic"]:
                return False
        for bond in bonds:
            record = self.records.bonds[bond - self.first_bond]
            expected = AROMATIC_TYPE if self.pieces.in_ring[bond] else SINGLE
            written = self.rows.kind[bond] & TYPE == AROMATIC_BOND
            if record[0] & (STEREO | DIRECTION) or (written and bond_type(record) != expected):
                return False
        return True

    def _rings_are_small(self, bonds: list[int]) -> bool:
        """Return whether the rings that may be aromatic are few and small, and all were found."""
        unsaturated = {b - self.first_bond for b in bonds if self.pieces.unsaturated_ring[b]}
        if not unsaturated:
            return True
        rings = self.mol.GetRingInfo().BondRings()
        found = [len(ring) for ring in rings if unsaturated.issuperset(ring)]
        cycles = _independent_cycles([self._ends(b + self.first_bond) for b in unsaturated])
        return cycles <= min(len(found), MAX_FUSED_RINGS) and max(found) <= SMALL_RING

    def _ends(self, bond: int) -> tuple[int, int]:
        return int(self.rows.begin[bond]), int(self.rows.end[bond])

    def _centres_are_kept(self, atoms: list[int], bonds: list[int]) -> bool:
        marked = [i for i, a in enumerate(atoms) if self.rows.token[a] >> CHIRAL & 3]
        if not marked:
            return True
        around = self._neighbourhood(atoms, bonds)
        return all(
            self._chiral(atoms[i]) and centre_is_kept(around, i) for i in marked
        )

    def _chiral(self, atom: int) -> bool:
        return atom_fields(self.records.atoms[atom - self.first_atom])["chiral"] in (1, 2)

    def _neighbourhood(self, atoms: list[int], bonds: list[int]) -> Neighbourhood:
        """Return the piece with what its key says about the atoms beyond."""
        place = {atom - self.first_atom: i for i, atom in enumerate(atoms)}
        joined: list[list[tuple[int, float]]] = [[] for _ in atoms]
        beyond: list[tuple[int, int, float]] = []
        for bond in (self.mol.GetBondWithIdx(b - self.first_bond) for b in bonds):
            one, other = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            order = bond.GetBondTypeAsDouble()
            if one in place and other in place:
                joined[place[one]].append((place[other], order))
                joined[place[other]].append((place[one], order))
            else:
                inside, outside = (one, other) if one in place else (other, one)
                joined[place[inside]].append((len(atoms) + len(beyond), order))
                beyond.append((inside, outside, order))
        members = [self.mol.GetAtomWithIdx(a) for a in place]
        members += [self.mol.GetAtomWithIdx(outside) for _, outside, _ in beyond]
        others: list[Any] = []
        for inside, outside, order in beyond:
            around = [(place[inside], order)]
            for far, far_order in self._others(outside, inside):
                around.append((len(members) + len(others), far_order))
                others.append(far)
            joined.append(around)
        joined += [[] for _ in others]
        known = [*members, *others]
        return Neighbourhood(
            [atom.GetAtomicNum() for atom in known],
            [atom.GetTotalNumHs() for atom in known],
            joined,
            len(members),
        )

    def _others(self, atom: int, inside: int) -> Iterator[tuple[Any, float]]:
        """Yield the other neighbours of an atom beyond a cut, and the orders of their bonds."""
        for bond in self.mol.GetAtomWithIdx(atom).GetBonds():
            if bond.GetOtherAtomIdx(atom) != inside:
                yield self.mol.GetAtomWithIdx(bond.GetOtherAtomIdx(atom)), bond.GetBondTypeAsDouble()


def _independent_cycles(bonds: list[tuple[int, int]]) -> int:
    """Return the number of independent cycles of a graph: bonds - atoms + components."""
    parent = {atom: atom for bond in bonds for atom in bond}

    def root(atom: int) -> int:
        while parent[atom] != atom:
            atom = parent[atom]
        return atom

    cycles = 0
    for one, other in bonds:
        a, b = root(one), root(other)
        cycles += a == b
        parent[a] = b
    return cycles
