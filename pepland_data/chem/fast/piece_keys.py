"""A key for each piece that holds all that RDKit's answers about it depend on.

The records of its atoms in order, and its bonds in order: their places in the piece, their
records, whether they lie in a ring, and for a cut bond the turn in which it is cut. Two pieces
with equal keys have the same fragments, SMILES, feature rows and BRICS bonds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pepland_data.chem.fast.molecule_batch import Ints, MoleculeBatch, States
from pepland_data.chem.fast.residue_cuts import Pieces

OUTSIDE = -1


@dataclass(frozen=True, eq=False)
class PieceBonds:
    """The bonds of each piece; a bond between two pieces is listed in both."""

    bond: Ints
    """[N] int64, bond of the batch; ascending in each piece."""
    ptr: Ints
    """[K+1] int64, pointer by piece."""


def piece_keys(
    batch: MoleculeBatch, pieces: Pieces, states: States
) -> tuple[list[tuple[bytes, bytes] | None], PieceBonds]:
    """Return the key of each piece, None for one with a stereo bond, and its bonds."""
    bonds, rows = _bond_rows(batch, pieces)
    atoms = batch.atom_state[pieces.order].astype("<i4").tobytes()
    words = rows.astype("<i4").tobytes()
    atom_cuts = (4 * pieces.ptr).tolist()
    bond_cuts = (16 * bonds.ptr).tolist()
    keys: list[tuple[bytes, bytes] | None] = [
        (atoms[a:b], words[c:d])
        for a, b, c, d in zip(atom_cuts, atom_cuts[1:], bond_cuts, bond_cuts[1:], strict=False)
    ]
    stereo = states.stereo[batch.bond_state >> 1]
    for bond in np.flatnonzero(stereo):
        for end in (batch.begin[bond], batch.end[bond]):
            keys[pieces.of_atom[end]] = None
    return keys, bonds


def _bond_rows(batch: MoleculeBatch, pieces: Pieces) -> tuple[PieceBonds, Ints]:
    begin, end = pieces.of_atom[batch.begin], pieces.of_atom[batch.end]
    crossing = np.flatnonzero(begin != end)
    piece = np.concatenate([begin, end[crossing]])
    bond = np.concatenate([np.arange(len(begin)), crossing])
    order = np.lexsort((bond, piece))
    piece, bond = piece[order], bond[order]
    counts = np.bincount(piece, minlength=len(pieces.ptr) - 1)
    ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    places = [
        np.where(pieces.of_atom[ends[bond]] == piece, pieces.local[ends[bond]], OUTSIDE)
        for ends in (batch.begin, batch.end)
    ]
    turn = _cut_turns(piece, pieces.found[bond])
    return PieceBonds(bond, ptr), np.stack([*places, batch.bond_state[bond], turn], 1)


def _cut_turns(piece: Ints, found: Ints) -> Ints:
    """Return 1, 2, ... for the cut bonds of a piece in the order they are cut, 0 for others."""
    turn = np.zeros(len(piece), np.int64)
    cut = np.flatnonzero(found >= 0)
    cut = cut[np.lexsort((found[cut], piece[cut]))]
    starts = np.flatnonzero(np.diff(piece[cut], prepend=-1))
    sizes = np.diff(np.append(starts, len(cut)))
    turn[cut] = np.arange(len(cut)) - np.repeat(starts, sizes) + 1
    return turn
