"""SMILES texts to molecules as arrays without RDKit, as far as their pieces are known.

Each text is read as written and cut into pieces. RDKit's records of the atoms and bonds of a known
piece are copied. A text with an unknown piece is read by RDKit, and its pieces are remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rdkit import Chem

from pepland_data.chem.compiled import compiled
from pepland_data.chem.fast.molecule_batch import DistinctRecords, MoleculeBatch
from pepland_data.chem.fast.ragged import Ragged
from pepland_data.chem.fast.rdkit_records import AROMATIC_TYPE, SINGLE, RdkitRecords
from pepland_data.chem.fast.residue_cuts import DOUBLE
from pepland_data.chem.smiles.answers import ReadRow
from pepland_data.chem.smiles.atom_token import CARBON, NITROGEN, OXYGEN
from pepland_data.chem.smiles.known_pieces import REFUSED, UNKNOWN, KnownPieces
from pepland_data.chem.smiles.pieces import cut_into_written_pieces
from pepland_data.chem.smiles.rings import Flags, Ints
from pepland_data.chem.smiles.written_rows import read_rows
from pepland_data.graph.columns import pointers


class TextMolecules(Sequence[Any]):
    """The molecules of texts; RDKit reads one when it is asked for."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self._read: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, number: Any) -> Any:
        if number not in self._read:
            self._read[number] = Chem.MolFromSmiles(self.texts[number])
        return self._read[number]


class SmilesBatch:
    """Some texts, read as written."""

    def __init__(self, texts: Sequence[str], known: KnownPieces, distinct: DistinctRecords) -> None:
        self.texts, self._known, self._distinct = texts, known, distinct
        self._rows = read_rows(texts)
        self._pieces = cut_into_written_pieces(self._rows)
        self._look_up()

    def _look_up(self) -> None:
        self._looked_up = len(self._known)
        self._numbers = self._known.look_up(self._pieces.words, self._pieces.word_ptr)

    def known(self, max_atoms: int) -> Flags:
        """Return which texts have known pieces only, and at most `max_atoms` atoms. [R] bool."""
        if len(self._known) > self._looked_up:
            self._look_up()
        small = np.diff(self._rows.atom_ptr) <= max_atoms
        missing = pointers(self._numbers < 0)[self._pieces.row_ptr]
        return np.asarray(self._rows.read & small & (np.diff(missing) == 0))

    def to_ask(self, wanted: Flags) -> list[int]:
        """Return the wanted texts that only RDKit can read, and one for each unknown piece."""
        asked: list[int] = []
        claimed: set[bytes] = set()
        ptr, words = self._pieces.row_ptr, self._pieces.words
        for row in np.flatnonzero(wanted).tolist():
            numbers = self._numbers[ptr[row] : ptr[row + 1]]
            new = {
                words[self._pieces.word_ptr[k] : self._pieces.word_ptr[k + 1]].tobytes()
                for k in (ptr[row] + np.flatnonzero(numbers == UNKNOWN)).tolist()
            }
            if not new or np.any(numbers == REFUSED) or not new <= claimed:
                asked.append(row)
                claimed |= new
        return asked

    def learn(self, row: int, mol: Any, records: RdkitRecords) -> None:
        """Remember RDKit's answers about the pieces of a text."""
        if not self._rows.read[row]:
            return
        read = ReadRow(self._rows, self._pieces, row, mol, records)
        agrees = read.agrees()
        for piece in range(*self._pieces.row_ptr[row : row + 2].tolist()):
            start, stop = self._pieces.word_ptr[piece : piece + 2].tolist()
            key = self._pieces.words[start:stop]
            if self._known.look_up(key, np.array([0, len(key)]))[0] == UNKNOWN:
                self._known.add(key, read.answer(piece, self._distinct) if agrees else None)

    def molecules(self, rows: Flags) -> MoleculeBatch:
        """Return the molecules of texts whose pieces are all known."""
        self._distinct.grow()
        written, pieces = self._rows, self._pieces
        atom_record = self._records(self._known.atom_records, pieces.atom, pieces.atom_ptr)
        bond_record = self._records(self._known.bond_records, pieces.bond, pieces.bond_ptr)
        atoms, bonds = np.diff(written.atom_ptr), np.diff(written.bond_ptr)
        atom, bond = np.repeat(rows, atoms), np.repeat(rows, bonds)
        new_atom = np.cumsum(atom) - 1
        amides = self._amides(atom_record, bond_record)
        return MoleculeBatch(
            mols=TextMolecules([self.texts[row] for row in np.flatnonzero(rows).tolist()]),
            atom_ptr=pointers(atoms[rows]),
            bond_ptr=pointers(bonds[rows]),
            atom_record=atom_record[atom],
            bond_record=bond_record[bond],
            bond_in_ring=pieces.in_ring[bond].astype(np.int64),
            begin=new_atom[written.begin[bond]],
            end=new_atom[written.end[bond]],
            amides=new_atom[amides[atom[amides[:, 0]]]],
            stereo=np.zeros((0, 3), np.int64),
        )

    def _records(self, answers: Ragged, item: Ints, ptr: Ints) -> Ints:
        return _spread(self._numbers, answers.values, answers.ptr, item, ptr)

    def _amides(self, atom_record: Ints, bond_record: Ints) -> Ints:
        """Return the amides of all texts; nonsense for those with unknown pieces. [N, 2] int64."""
        distinct, rows = self._distinct, self._rows
        element = np.where(distinct.aromatic, 0, distinct.atomic_number)[atom_record]
        kind = distinct.bond_type[bond_record]
        return _amides(element, kind, rows.begin, rows.end, *self._pieces.bonds_of_atoms)


@compiled
def _spread(numbers: Ints, answers: Ints, answer_ptr: Ints, item: Ints, ptr: Ints) -> Ints:
    """Return the record of each atom or bond from the answers of the known pieces."""
    record = np.full(item.max() + 1 if len(item) else 0, -1)
    for k in range(len(numbers)):
        if numbers[k] >= 0:
            shift = answer_ptr[numbers[k]] - ptr[k]
            for i in range(ptr[k], ptr[k + 1]):
                record[item[i]] = answers[i + shift]
    return record


@compiled
def _amides(element: Ints, kind: Ints, begin: Ints, end: Ints, ptr: Ints, bonds: Ints) -> Ints:
    """Return carbon and nitrogen of each match of ``C(=O)N``, as RDKit orders them. [N, 2]."""
    found, count = np.empty((2 * len(bonds), 2), np.int64), 0
    for carbon in range(len(element)):
        if element[carbon] != CARBON:
            continue
        for k in range(ptr[carbon], ptr[carbon + 1]):
            oxygen = begin[bonds[k]] + end[bonds[k]] - carbon
            if element[oxygen] != OXYGEN or kind[bonds[k]] != DOUBLE:
                continue
            for j in range(ptr[carbon], ptr[carbon + 1]):
                nitrogen = begin[bonds[j]] + end[bonds[j]] - carbon
                single = kind[bonds[j]] == SINGLE or kind[bonds[j]] == AROMATIC_TYPE
                if element[nitrogen] == NITROGEN and single:
                    found[count] = carbon, nitrogen
                    count += 1
    return found[:count].copy()
