"""Many molecules as flat arrays; equal RDKit records of atoms and bonds share one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.chem.compiled import compiled
from pepland_data.chem.cuts import NO_LIMIT, amide_pattern
from pepland_data.chem.fast.rdkit_records import RdkitRecords, atom_fields, bond_type
from pepland_data.chem.features import bond_row
from pepland_data.chem.plain_path import MAX_CHIRAL, atom_key
from pepland_data.graph.columns import pointers
from pepland_data.graph.table_builder import TableBuilder

Ints = npt.NDArray[np.int64]
MAX_DEGREE = 7
"""The feature row is the same for all degrees from here."""


@dataclass(frozen=True, eq=False)
class MoleculeBatch:
    """M molecules. Atoms and bonds are numbered through the whole batch."""

    mols: Sequence[Any]
    """[M] RDKit molecules."""
    atom_ptr: Ints
    """[M+1] int64."""
    bond_ptr: Ints
    """[M+1] int64."""
    atom_record: Ints
    """[A] int64, number of the atom's record in `DistinctRecords`."""
    bond_record: Ints
    """[B] int64, number of the bond's record in `DistinctRecords`."""
    bond_in_ring: Ints
    """[B] int64, 1 for a bond in a ring, else 0."""
    begin: Ints
    """[B] int64, begin atom."""
    end: Ints
    """[B] int64, end atom."""
    amides: Ints
    """[N, 2] int64, carbon and nitrogen of each amide, in the order of RDKit's matches."""
    stereo: Ints
    """[S, 3] int64, each bond of defined stereo and its two stereo atoms, -1 if unknown."""

    @property
    def atom_molecule(self) -> Ints:
        """[A] int64, molecule of each atom."""
        return np.repeat(np.arange(len(self.mols)), np.diff(self.atom_ptr))


class RecordNumbers(dict[bytes, int]):
    """Record -> its number; looking up a new record gives it the next number."""

    def __missing__(self, record: bytes) -> int:
        number = self[record] = len(self)
        return number


class DistinctRecords:
    """The distinct records of atoms and bonds, and their codes in the feature tables."""

    def __init__(self) -> None:
        self.atoms, self.bonds = RecordNumbers(), RecordNumbers()
        self._supported: set[bytes] = set()
        self.atomic_number = np.zeros(0, np.int64)
        """[number of an atom record] int64."""
        self.aromatic = np.zeros(0, bool)
        """[number of an atom record] bool."""
        self.bond_type = np.zeros(0, np.int64)
        """[number of a bond record] int64, as `rdkit_records.bond_type` returns it."""
        self._atom_code = np.zeros((0, MAX_DEGREE + 1), np.int64)
        self._bond_code = np.zeros((0, 2), np.int64)

    def unsupported_atoms(self, records: list[bytes]) -> list[tuple[int, int]]:
        """Return atomic number and chiral tag of the atoms that have no feature row."""
        unsupported = []
        for record in set(records) - self._supported:
            fields = atom_fields(record)
            if fields["number"] == 0 or fields["chiral"] > MAX_CHIRAL:
                unsupported.append((fields["number"], fields["chiral"]))
            else:
                self._supported.add(record)
        return sorted(unsupported)

    def grow(self) -> None:
        """Extend the arrays to the records numbered since the last call."""
        atoms = list(self.atoms)[len(self.atomic_number) :]
        fields = [atom_fields(record) for record in atoms]
        numbers, aromatic = [f["number"] for f in fields], [f["aromatic"] for f in fields]
        self.atomic_number = np.append(self.atomic_number, numbers).astype(np.int64)
        self.aromatic = np.append(self.aromatic, aromatic).astype(bool)
        bonds = list(self.bonds)[len(self.bond_type) :]
        self.bond_type = np.append(self.bond_type, list(map(bond_type, bonds))).astype(np.int64)
        self._atom_code = _with_rows(self._atom_code, len(self.atomic_number))
        self._bond_code = _with_rows(self._bond_code, len(self.bond_type))

    def atom_codes(self, batch: MoleculeBatch, degree: Ints, tables: TableBuilder) -> Ints:
        """Return the code of each atom; RDKit computes rows that are new. [A] int64."""
        record = batch.atom_record
        codes = codes_of_records(self._atom_code, record, degree)
        if not np.any(codes < 0):
            return codes
        column = np.minimum(degree, MAX_DEGREE)
        for atom in _first_unknown(codes, record * (MAX_DEGREE + 1) + column):
            m = int(np.searchsorted(batch.atom_ptr, atom, "right")) - 1
            rdkit_atom = batch.mols[m].GetAtomWithIdx(int(atom - batch.atom_ptr[m]))
            self._atom_code[record[atom], column[atom]] = tables.atoms.code(atom_key(rdkit_atom))
        return codes_of_records(self._atom_code, record, degree)

    def bond_codes(self, batch: MoleculeBatch, tables: TableBuilder) -> Ints:
        """Return the code of each bond; RDKit computes rows that are new. [B] int64."""
        record, in_ring = batch.bond_record, batch.bond_in_ring
        codes = codes_of_records(self._bond_code, record, in_ring)
        if not np.any(codes < 0):
            return codes
        for bond in _first_unknown(codes, 2 * record + in_ring):
            m = int(np.searchsorted(batch.bond_ptr, bond, "right")) - 1
            rdkit_bond = batch.mols[m].GetBondWithIdx(int(bond - batch.bond_ptr[m]))
            self._bond_code[record[bond], in_ring[bond]] = tables.bonds.code(bond_row(rdkit_bond))
        return codes_of_records(self._bond_code, record, in_ring)


@compiled
def codes_of_records(table: Ints, record: Ints, column: Ints) -> Ints:
    """Return the code at each record and column; larger columns mean the last. [N] int64."""
    codes = np.empty_like(record)
    for i in range(len(record)):
        codes[i] = table[record[i], min(column[i], table.shape[1] - 1)]
    return codes


def _with_rows(table: Ints, rows: int) -> Ints:
    return np.pad(table, ((0, rows - len(table)), (0, 0)), constant_values=-1)


def _first_unknown(codes: Ints, keys: Ints) -> Ints:
    """Return one place without a code (-1) for each distinct key. [U] int64."""
    unknown = np.flatnonzero(codes < 0)
    return unknown[np.unique(keys[unknown], return_index=True)[1]]


def batch_molecules(
    mols: Sequence[Any], records: Sequence[RdkitRecords], distinct: DistinctRecords
) -> MoleculeBatch:
    """Join molecules into one batch, and add their records to the distinct ones."""
    atom_ptr = pointers([len(r.atoms) for r in records])
    bond_ptr = pointers([len(r.bonds) for r in records])
    atom_record = _numbers(distinct.atoms, [r.atoms for r in records])
    bond_record = _numbers(distinct.bonds, [r.bonds for r in records])
    distinct.grow()
    ends = np.concatenate([np.zeros((0, 2), np.int64), *(r.ends for r in records)])
    ends += np.repeat(atom_ptr[:-1], np.diff(bond_ptr))[:, None]
    return MoleculeBatch(
        mols=mols,
        atom_ptr=atom_ptr,
        bond_ptr=bond_ptr,
        atom_record=atom_record,
        bond_record=bond_record,
        bond_in_ring=_in_ring(mols, bond_ptr),
        begin=ends[:, 0].copy(),
        end=ends[:, 1].copy(),
        amides=_amides(mols, atom_ptr),
        stereo=_stereo(records, atom_ptr, bond_ptr),
    )


def _numbers(numbers: RecordNumbers, records: list[list[bytes]]) -> Ints:
    return np.fromiter(map(numbers.__getitem__, chain.from_iterable(records)), np.int64)


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


def _stereo(records: Sequence[RdkitRecords], atom_ptr: Ints, bond_ptr: Ints) -> Ints:
    found = [
        (bond_start + bond, *(atom_start + atom for atom in atoms or (-1 - atom_start,) * 2))
        for record, atom_start, bond_start in zip(
            records, atom_ptr.tolist(), bond_ptr.tolist(), strict=False
        )
        for bond, atoms in record.stereo.items()
    ]
    return np.array(found, np.int64).reshape(-1, 3)
