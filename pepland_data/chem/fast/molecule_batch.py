"""Many molecules as flat arrays, so that a question is put to all of their atoms at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.chem.cuts import NO_LIMIT, amide_pattern
from pepland_data.chem.fast.rdkit_records import STEREO, RdkitRecords, atom_fields, bond_type
from pepland_data.chem.features import bond_row
from pepland_data.chem.plain_path import atom_key
from pepland_data.graph.table_builder import FirstSeen, TableBuilder

Ints = npt.NDArray[np.int64]
MAX_DEGREE = 7
"""Six neighbours or more are one slot of the features."""
MAX_CHIRAL = 3
"""Tags above are chirality beyond the tetrahedron."""


@dataclass(frozen=True, eq=False)
class MoleculeBatch:
    """M molecules; atom and bond numbers run through the batch."""

    mols: Sequence[Any]
    """[M] RDKit molecules."""
    atom_ptr: Ints
    """[M+1] int64."""
    bond_ptr: Ints
    """[M+1] int64."""
    atom_state: Ints
    """[A] int64, number of the atom's record."""
    bond_state: Ints
    """[B] int64, number of the bond's record, doubled, plus 1 in a ring."""
    begin: Ints
    """[B] int64, begin atom."""
    end: Ints
    """[B] int64, end atom."""
    amides: Ints
    """[N, 2] int64, carbon and nitrogen of each amide, in the order they are found."""

    @property
    def atom_molecule(self) -> Ints:
        """[A] int64, molecule of each atom."""
        return np.repeat(np.arange(len(self.mols)), np.diff(self.atom_ptr))


class States:
    """The distinct records of atoms and bonds, and the code of each in the feature tables."""

    def __init__(self) -> None:
        self.atoms, self.bonds = FirstSeen(), FirstSeen()
        self._usual: set[bytes] = set()
        self.number = np.zeros(0, np.int64)
        self.bond_type = np.zeros(0, np.int64)
        self.stereo = np.zeros(0, bool)
        self._atom_code = np.zeros((0, MAX_DEGREE + 1), np.int64)
        self._bond_code = np.zeros((0, 2), np.int64)

    def odd_atoms(self, records: list[bytes]) -> list[tuple[int, int]]:
        """Return atomic number and chiral tag of atoms that no feature row can express."""
        new = set(records) - self._usual
        odd = []
        for record in new:
            fields = atom_fields(record)
            if fields["number"] == 0 or fields["chiral"] > MAX_CHIRAL:
                odd.append((fields["number"], fields["chiral"]))
            else:
                self._usual.add(record)
        return sorted(odd)

    def grow(self) -> None:
        """Make room for the records met since the last call."""
        new = list(self.atoms)[len(self.number) :]
        numbers = [atom_fields(record)["number"] for record in new]
        self.number = np.append(self.number, numbers).astype(np.int64)
        bonds = list(self.bonds)[len(self.bond_type) :]
        self.bond_type = np.append(self.bond_type, list(map(bond_type, bonds))).astype(np.int64)
        self.stereo = np.append(self.stereo, [bool(b[0] & STEREO) for b in bonds]).astype(bool)
        self._atom_code = _taller(self._atom_code, len(self.number))
        self._bond_code = _taller(self._bond_code, len(self.bond_type))

    def atom_codes(self, batch: MoleculeBatch, degree: Ints, tables: TableBuilder) -> Ints:
        """Return the code of each atom, asking RDKit for rows that are new. [A] int64."""
        column = np.minimum(degree, MAX_DEGREE)
        codes = self._atom_code[batch.atom_state, column]
        for atom in _first_unknown(codes, batch.atom_state * (MAX_DEGREE + 1) + column):
            m = int(np.searchsorted(batch.atom_ptr, atom, "right")) - 1
            rdkit_atom = batch.mols[m].GetAtomWithIdx(int(atom - batch.atom_ptr[m]))
            code = tables.atoms.code(atom_key(rdkit_atom))
            self._atom_code[batch.atom_state[atom], column[atom]] = code
        return self._atom_code[batch.atom_state, column]

    def bond_codes(self, batch: MoleculeBatch, tables: TableBuilder) -> Ints:
        """Return the code of each bond, asking RDKit for rows that are new. [B] int64."""
        state, ring = batch.bond_state >> 1, batch.bond_state & 1
        codes = self._bond_code[state, ring]
        for bond in _first_unknown(codes, batch.bond_state):
            m = int(np.searchsorted(batch.bond_ptr, bond, "right")) - 1
            rdkit_bond = batch.mols[m].GetBondWithIdx(int(bond - batch.bond_ptr[m]))
            self._bond_code[state[bond], ring[bond]] = tables.bonds.code(bond_row(rdkit_bond))
        return np.asarray(self._bond_code[state, ring])


def _taller(table: Ints, rows: int) -> Ints:
    return np.pad(table, ((0, rows - len(table)), (0, 0)), constant_values=-1)


def _first_unknown(codes: Ints, keys: Ints) -> Ints:
    unknown = np.flatnonzero(codes < 0)
    return unknown[np.unique(keys[unknown], return_index=True)[1]]


def batch_molecules(
    mols: Sequence[Any], skeletons: Sequence[RdkitRecords], states: States
) -> MoleculeBatch:
    """Join molecules and their records into one batch, and make their states known."""
    atom_ptr = _pointers([len(s.atoms) for s in skeletons])
    bond_ptr = _pointers([len(s.bonds) for s in skeletons])
    atom_state = _number(states.atoms, (s.atoms for s in skeletons), atom_ptr[-1])
    bond_state = _number(states.bonds, (s.bonds for s in skeletons), bond_ptr[-1])
    states.grow()
    ends = np.concatenate([np.zeros((0, 2), np.int64), *(s.ends for s in skeletons)])
    ends += np.repeat(atom_ptr[:-1], np.diff(bond_ptr))[:, None]
    return MoleculeBatch(
        mols=mols,
        atom_ptr=atom_ptr,
        bond_ptr=bond_ptr,
        atom_state=atom_state,
        bond_state=2 * bond_state + _in_ring(mols, bond_ptr),
        begin=ends[:, 0].copy(),
        end=ends[:, 1].copy(),
        amides=_amides(mols, atom_ptr),
    )


def _pointers(sizes: list[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _number(ids: FirstSeen, records: Any, count: int) -> Ints:
    return np.fromiter(map(ids.__getitem__, chain.from_iterable(records)), np.int64, count)


def _in_ring(mols: Sequence[Any], bond_ptr: Ints) -> Ints:
    flags = np.zeros(bond_ptr[-1], np.int64)
    for mol, start in zip(mols, bond_ptr.tolist(), strict=False):
        rings = mol.GetRingInfo().BondRings()
        if rings:
            flags[[start + bond for ring in rings for bond in ring]] = 1
    return flags


def _amides(mols: Sequence[Any], atom_ptr: Ints) -> Ints:
    pattern, found = amide_pattern(), []
    for mol, start in zip(mols, atom_ptr.tolist(), strict=False):
        for carbon, _, nitrogen in mol.GetSubstructMatches(pattern, maxMatches=NO_LIMIT):
            found.append((start + carbon, start + nitrogen))
    return np.array(found, np.int64).reshape(-1, 2)
