"""A key for each piece: everything that the results of RDKit for the piece depend on.

A key contains the records of the piece's atoms in order, and for each bond in order: the places of
its two atoms in the piece, its record, whether it is in a ring, and for a cut bond its position
among the cuts. Pieces with equal keys have equal fragments, SMILES, feature rows and BRICS bonds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pepland_data.chem.compiled import compiled
from pepland_data.chem.fast.molecule_batch import DistinctRecords, Ints, MoleculeBatch
from pepland_data.chem.fast.residue_cuts import BatchPieces
from pepland_data.chem.fast.word_table import Words

OUTSIDE = -1
"""The place of an atom that is not in the piece."""
BOND_WORDS = 4
"""Words of a key for each bond."""


@dataclass(frozen=True, eq=False)
class PieceBonds:
    """The bonds of each piece; a bond between two pieces is listed for both."""

    ptr: Ints
    """[K+1] int64, pointer by piece."""
    bond: Ints
    """[N] int64, bond of the batch; ascending in each piece."""
    turn: Ints
    """[N] int64, 1, 2, 3 and so on for the cut bonds of a piece in the order they are found."""


@dataclass(frozen=True, eq=False)
class PieceKeys:
    """The key of each piece as a run of words."""

    words: Words
    """[W] int32: number of atoms, their records, and `BOND_WORDS` words for each bond."""
    ptr: Ints
    """[K+1] int64, pointer by piece; a piece with a bond of defined stereo has no words."""

    def __getitem__(self, piece: int) -> Words:
        """Return the key of a piece; it is empty if the piece has none."""
        return self.words[self.ptr[piece] : self.ptr[piece + 1]]


def piece_keys(
    batch: MoleculeBatch, pieces: BatchPieces, distinct: DistinctRecords
) -> tuple[PieceKeys, PieceBonds]:
    """Return the key and the bonds of each piece."""
    ends = batch.begin, batch.end
    bonds = PieceBonds(*bonds_of_pieces(*ends, pieces.of_atom, pieces.cuts, len(pieces.sizes)))
    kind = 2 * batch.bond_record + batch.bond_in_ring
    stereo = distinct.stereo[batch.bond_record]
    words = key_words(
        batch.atom_record, *ends, kind, stereo, pieces.of_atom, pieces.local, pieces.sizes,
        bonds.ptr, bonds.bond, bonds.turn,
    )  # fmt: skip
    return PieceKeys(*words), bonds


@compiled
def bonds_of_pieces(
    begin: Ints, end: Ints, of_atom: Ints, cuts: Ints, count: int
) -> tuple[Ints, Ints, Ints]:
    """Return ``ptr``, ``bond`` and ``turn`` of the `PieceBonds` of a number of pieces."""
    ptr = np.zeros(count + 1, np.int64)
    for bond in range(len(begin)):
        one, other = of_atom[begin[bond]], of_atom[end[bond]]
        ptr[one + 1] += 1
        ptr[other + 1] += one != other
    ptr = np.cumsum(ptr)
    # The places of each bond in the lists of its two pieces.
    place = np.empty((len(begin), 2), np.int64)
    listed = np.empty(ptr[-1], np.int64)
    filled = ptr.copy()
    for bond in range(len(begin)):
        for side, atom in enumerate((begin[bond], end[bond])):
            if side == 0 or of_atom[atom] != of_atom[begin[bond]]:
                piece = of_atom[atom]
                place[bond, side] = filled[piece]
                listed[filled[piece]] = bond
                filled[piece] += 1
    turn = np.zeros(ptr[-1], np.int64)
    turns = np.zeros(count, np.int64)
    for bond in cuts:
        for side, atom in enumerate((begin[bond], end[bond])):
            if side == 0 or of_atom[atom] != of_atom[begin[bond]]:
                turns[of_atom[atom]] += 1
                turn[place[bond, side]] = turns[of_atom[atom]]
    return ptr, listed, turn


@compiled
def key_words(
    record: Ints,
    begin: Ints,
    end: Ints,
    kind: Ints,
    stereo: np.ndarray,
    of_atom: Ints,
    local: Ints,
    sizes: Ints,
    bond_ptr: Ints,
    bonds: Ints,
    turn: Ints,
) -> tuple[Words, Ints]:
    """Return ``words`` and ``ptr`` of `PieceKeys`.

    Args:
        record: [A] int64, number of the atom's record.
        begin: [B] int64, begin atom.
        end: [B] int64, end atom.
        kind: [B] int64, number of the bond's record and whether it is in a ring.
        stereo: [B] bool, True for a double bond of defined stereo.
        of_atom: [A] int64, piece of each atom.
        local: [A] int64, place of each atom in its piece.
        sizes: [K] int64, atoms of each piece.
        bond_ptr: [K+1] int64, bonds by piece.
        bonds: [N] int64, bonds of each piece.
        turn: [N] int64, as in `PieceBonds`.
    """
    ptr = np.zeros(len(sizes) + 1, np.int64)
    for k in range(len(sizes)):
        size = 1 + sizes[k] + BOND_WORDS * (bond_ptr[k + 1] - bond_ptr[k])
        for bond in bonds[bond_ptr[k] : bond_ptr[k + 1]]:
            if stereo[bond]:
                size = 0
        ptr[k + 1] = ptr[k] + size
    words = np.empty(ptr[-1], np.int32)
    for atom in range(len(record)):
        k = of_atom[atom]
        if ptr[k] < ptr[k + 1]:
            words[ptr[k] + 1 + local[atom]] = record[atom]
    for k in range(len(sizes)):
        if ptr[k] < ptr[k + 1]:
            words[ptr[k]] = sizes[k]
            w = ptr[k] + 1 + sizes[k]
            for i in range(bond_ptr[k], bond_ptr[k + 1]):
                bond = bonds[i]
                words[w] = local[begin[bond]] if of_atom[begin[bond]] == k else OUTSIDE
                words[w + 1] = local[end[bond]] if of_atom[end[bond]] == k else OUTSIDE
                words[w + 2] = kind[bond]
                words[w + 3] = turn[i]
                w += BOND_WORDS
    return words, ptr
