"""A key for each piece: everything that the results of RDKit for the piece depend on.

A key contains the records of the piece's atoms in order, and for each bond in order: the places of
its two atoms in the piece, its record, whether it is in a ring, and for a cut bond its position
among the cuts. Pieces with equal keys have equal fragments, SMILES, feature rows and BRICS bonds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pepland_data.chem.fast.molecule_batch import DistinctRecords, Ints, MoleculeBatch
from pepland_data.chem.fast.residue_cuts import BatchPieces
from pepland_data.graph.columns import pointers

OUTSIDE = -1
"""The place of an atom that is not in the piece."""


@dataclass(frozen=True, eq=False)
class PieceBonds:
    """The bonds of each piece; a bond between two pieces is listed for both."""

    bond: Ints
    """[N] int64, bond of the batch; ascending in each piece."""
    ptr: Ints
    """[K+1] int64, pointer by piece."""


def piece_keys(
    batch: MoleculeBatch, pieces: BatchPieces, distinct: DistinctRecords
) -> tuple[list[tuple[bytes, bytes] | None], PieceBonds]:
    """Return the key of each piece (None if it has a bond of defined stereo), and its bonds."""
    bonds, rows = _bond_rows(batch, pieces)
    atoms = batch.atom_record[pieces.order].astype("<i4").tobytes()
    words = rows.astype("<i4").tobytes()
    atom_cuts = (4 * pieces.ptr).tolist()
    bond_cuts = (16 * bonds.ptr).tolist()
    keys: list[tuple[bytes, bytes] | None] = [
        (atoms[a:b], words[c:d])
        for a, b, c, d in zip(atom_cuts, atom_cuts[1:], bond_cuts, bond_cuts[1:], strict=False)
    ]
    stereo = distinct.stereo[batch.bond_record]
    for bond in np.flatnonzero(stereo):
        for end in (batch.begin[bond], batch.end[bond]):
            keys[pieces.of_atom[end]] = None
    return keys, bonds


def _bond_rows(batch: MoleculeBatch, pieces: BatchPieces) -> tuple[PieceBonds, Ints]:
    """Return the bonds of each piece, and the part of the key for each bond, [N, 4] int64."""
    begin, end = pieces.of_atom[batch.begin], pieces.of_atom[batch.end]
    crossing = np.flatnonzero(begin != end)
    piece = np.concatenate([begin, end[crossing]])
    bond = np.concatenate([np.arange(len(begin)), crossing])
    order = np.lexsort((bond, piece))
    piece, bond = piece[order], bond[order]
    counts = np.bincount(piece, minlength=len(pieces.ptr) - 1)
    ptr = pointers(counts)
    places = [
        np.where(pieces.of_atom[ends[bond]] == piece, pieces.local[ends[bond]], OUTSIDE)
        for ends in (batch.begin, batch.end)
    ]
    kind = 2 * batch.bond_record[bond] + batch.bond_in_ring[bond]
    turn = _cut_turns(piece, pieces.found[bond])
    return PieceBonds(bond, ptr), np.stack([*places, kind, turn], 1)


def _cut_turns(piece: Ints, found: Ints) -> Ints:
    """Return 1, 2, 3 and so on for the cut bonds of a piece in order, 0 for other bonds. [N]."""
    turn = np.zeros(len(piece), np.int64)
    cut = np.flatnonzero(found >= 0)
    cut = cut[np.lexsort((found[cut], piece[cut]))]
    starts = np.flatnonzero(np.diff(piece[cut], prepend=-1))
    sizes = np.diff(np.append(starts, len(cut)))
    turn[cut] = np.arange(len(cut)) - np.repeat(starts, sizes) + 1
    return turn
