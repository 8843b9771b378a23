"""A key for each piece: everything that the results of RDKit for the piece depend on.

A key contains the records of the piece's atoms in order, and for each bond in order: the places of
its two atoms in the piece, its record, whether it is in a ring, and its turn among the cut bonds of
the piece: 1, 2, 3 and so on in the order they are found, 0 for a bond that is not cut. A bond of
defined stereo is not cut; it has the places of its stereo atoms instead. Pieces with equal keys
have equal fragments, SMILES, feature rows and BRICS bonds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pepland_data.chem.compiled import compiled
from pepland_data.chem.fast.molecule_batch import Ints, MoleculeBatch
from pepland_data.chem.fast.residue_cuts import BatchPieces
from pepland_data.chem.fast.word_table import Words

OUTSIDE = -1
"""The place of an atom that is not in the piece."""
BOND_WORDS = 4
"""Words of a key for each bond."""
MAX_PLACE = 1 << 15
"""More atoms than a piece with a key has if it has a bond of defined stereo."""


@dataclass(frozen=True, eq=False)
class PieceBonds:
    """The bonds of each piece; a bond between two pieces is listed for both."""

    ptr: Ints
    """[K+1] int64, pointer by piece."""
    bond: Ints
    """[N] int64, bond of the batch; ascending in each piece."""


@dataclass(frozen=True, eq=False)
class PieceKeys:
    """The key of each piece as a run of words."""

    words: Words
    """[W] int32: number of atoms, their records, and `BOND_WORDS` words for each bond."""
    ptr: Ints
    """[K+1] int64, pointer by piece; a piece that lacks a stereo atom of a bond has no words."""

    def __getitem__(self, piece: int) -> Words:
        """Return the key of a piece; it is empty if the piece has none."""
        return self.words[self.ptr[piece] : self.ptr[piece + 1]]


def piece_keys(batch: MoleculeBatch, pieces: BatchPieces) -> tuple[PieceKeys, PieceBonds]:
    """Return the key and the bonds of each piece."""
    ends = batch.begin, batch.end
    bonds = PieceBonds(*bonds_of_pieces(*ends, pieces.of_atom, len(pieces.sizes)))
    words = key_words(
        batch.atom_record, batch.bond_record, batch.bond_in_ring, batch.stereo, *ends,
        pieces.cuts, pieces.found, pieces.of_atom, pieces.local, pieces.sizes,
        bonds.ptr, bonds.bond,
    )  # fmt: skip
    return PieceKeys(*words), bonds


@compiled
def bonds_of_pieces(begin: Ints, end: Ints, of_atom: Ints, count: int) -> tuple[Ints, Ints]:
    """Return ``ptr`` and ``bond`` of the `PieceBonds` of a number of pieces."""
    ptr = np.zeros(count + 1, np.int64)
    for bond in range(len(begin)):
        one, other = of_atom[begin[bond]], of_atom[end[bond]]
        ptr[one + 1] += 1
        ptr[other + 1] += one != other
    ptr = np.cumsum(ptr)
    listed, filled = np.empty(ptr[-1], np.int64), ptr.copy()
    for bond in range(len(begin)):
        one, other = of_atom[begin[bond]], of_atom[end[bond]]
        listed[filled[one]] = bond
        filled[one] += 1
        if one != other:
            listed[filled[other]] = bond
            filled[other] += 1
    return ptr, listed


@compiled
def key_words(
    atom_record: Ints,
    bond_record: Ints,
    bond_in_ring: Ints,
    stereo: Ints,
    begin: Ints,
    end: Ints,
    cuts: Ints,
    found: Ints,
    of_atom: Ints,
    local: Ints,
    sizes: Ints,
    bond_ptr: Ints,
    bonds: Ints,
) -> tuple[Words, Ints]:
    """Return ``words`` and ``ptr`` of `PieceKeys`.

    Args:
        atom_record: [A] int64, number of the atom's record.
        bond_record: [B] int64, number of the bond's record.
        bond_in_ring: [B] int64, 1 for a bond in a ring, else 0.
        stereo: [S, 3] int64, bond and stereo atoms.
        begin: [B] int64, begin atom.
        end: [B] int64, end atom.
        cuts: [C] int64, cut bonds in the order they are found.
        found: [B] int64, place of each bond in `cuts`, -1 if it is not cut.
        of_atom: [A] int64, piece of each atom.
        local: [A] int64, place of each atom in its piece.
        sizes: [K] int64, atoms of each piece.
        bond_ptr: [K+1] int64, bonds by piece.
        bonds: [N] int64, bonds of each piece.
    """
    has_key = np.ones(len(sizes), np.bool_)
    stereo_word = np.zeros(len(begin), np.int64)
    for bond, one, other in stereo:
        for k in (of_atom[begin[bond]], of_atom[end[bond]]):
            inside = one >= 0 and of_atom[one] == k and of_atom[other] == k
            has_key[k] &= inside and sizes[k] <= MAX_PLACE
        stereo_word[bond] = -1 - MAX_PLACE * local[one] - local[other]
    ptr = np.zeros(len(sizes) + 1, np.int64)
    for k in range(len(sizes)):
        size = 1 + sizes[k] + BOND_WORDS * (bond_ptr[k + 1] - bond_ptr[k])
        ptr[k + 1] = ptr[k] + size * has_key[k]
    words = np.empty(ptr[-1], np.int32)
    for atom in range(len(atom_record)):
        k = of_atom[atom]
        if ptr[k] < ptr[k + 1]:
            words[ptr[k] + 1 + local[atom]] = atom_record[atom]
    turn_word = np.full((len(cuts), 2), -1, np.int64)  # by cut bond: in its two pieces
    for k in range(len(sizes)):
        if ptr[k] < ptr[k + 1]:
            words[ptr[k]] = sizes[k]
            w = ptr[k] + 1 + sizes[k]
            for i in range(bond_ptr[k], bond_ptr[k + 1]):
                bond = bonds[i]
                begins, ends = of_atom[begin[bond]] == k, of_atom[end[bond]] == k
                words[w] = local[begin[bond]] if begins else OUTSIDE
                words[w + 1] = local[end[bond]] if ends else OUTSIDE
                words[w + 2] = 2 * bond_record[bond] + bond_in_ring[bond]
                words[w + 3] = stereo_word[bond]
                if found[bond] >= 0:
                    turn_word[found[bond], 0 if begins else 1] = w + 3
                w += BOND_WORDS
    turns = np.zeros(len(sizes), np.int32)
    for cut in range(len(cuts)):
        for side, atom in enumerate((begin[cuts[cut]], end[cuts[cut]])):
            if turn_word[cut, side] >= 0:
                turns[of_atom[atom]] += 1
                words[turn_word[cut, side]] = turns[of_atom[atom]]
    return words, ptr
