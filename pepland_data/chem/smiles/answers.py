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

PHOSPHORUS = 15
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
        start, stop = self.pieces.atom_ptr[piece : piece + 2]
        return list(map(int, self.pieces.atom[start:stop]))

    def _bonds(self, piece: int) -> list[int]:
        start, stop = self.pieces.bond_ptr[piece : piece + 2]
        return list(map(int, self.pieces.bond[start:stop]))

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
        return all(self._chiral(atoms[i]) and centre_is_kept(around, i) for i in marked)

    def _chiral(self, atom: int) -> bool:
        return atom_fields(self.records.atoms[atom - self.first_atom])["chiral"] in (1, 2)

    def _neighbourhood(self, atoms: list[int], bonds: list[int]) -> Neighbourhood:
        """Return the piece with what its key says about the atoms beyond."""
        inside = {atom - self.first_atom: place for place, atom in enumerate(atoms)}
        cuts = [cut for bond in bonds if (cut := self._cut(bond, inside))]
        beyond = {cut: len(atoms) + place for place, cut in enumerate(cuts)}
        members = [*inside, *(outside for _, outside in cuts)]
        bonded: list[list[tuple[int, int]]] = []
        for place, atom in enumerate(members):
            bonded.append([])
            for other, count in self._counted_neighbours(atom):
                if place < len(atoms):
                    end = inside[other] if other in inside else beyond[atom, other]
                elif (other, atom) == cuts[place - len(atoms)]:
                    end = inside[other]
                else:
                    end = len(members)
                    members.append(other)
                bonded[-1].append((end, count))
            if len(bonded) == len(inside) + len(cuts):
                break
        known = [self.mol.GetAtomWithIdx(atom) for atom in members]
        return Neighbourhood(
            [atom.GetAtomicNum() for atom in known],
            [atom.GetTotalNumHs() for atom in known],
            bonded,
        )

    def _cut(self, bond: int, inside: dict[int, int]) -> tuple[int, int] | None:
        """Return the atoms inside and outside of a cut bond, None for another bond."""
        one, other = (end - self.first_atom for end in self._ends(bond))
        if one in inside and other in inside:
            return None
        return (one, other) if one in inside else (other, one)

    def _counted_neighbours(self, atom: int) -> Iterator[tuple[int, int]]:
        """Yield the neighbours of an atom, and how often RDKit counts each in its ranks."""
        for bond in self.mol.GetAtomWithIdx(atom).GetBonds():
            other = bond.GetOtherAtom(self.mol.GetAtomWithIdx(atom))
            order = bond.GetBondTypeAsDouble()
            once = order == 2 and other.GetAtomicNum() == PHOSPHORUS and other.GetDegree() in (3, 4)
            yield other.GetIdx(), 1 if once else int(2 * order)


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
