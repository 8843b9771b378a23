"""Groups of peptides whose identity reaches a threshold; no such pair is missed.

Two peptides of at most M residues and identity t differ by at most k = floor((1 - t) M) edits:
residues that are replaced, inserted or deleted. In the graph of pieces (see `piece_graph`) one edit
changes at most five pieces in a row. It therefore changes at most 2 r + 5 of the tokens that depend
on all pieces up to r bonds away. If k (2 r + 5) is less than the number of pieces, at least one
token is the same in both peptides. So all pairs that share a token are candidates; sorting finds
them (the pigeonhole filter of string joins, Li et al. 2011). A candidate pair is joined if the
two have the same pieces except for one per edit, one more per edit that meets a branch, and the two
ends. Both conditions are necessary, so no pair is missed. Pairs joined below the threshold share a
stretch of residues and most of the other pieces. Groups are closed under chains of joined pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from pepland_data.errors import InputError
from pepland_data.hashing import Hashes, mix, salted
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.piece_graph import PieceGraph, Rows, bare_amide, piece_graphs
from pepland_data.store.split.similar_groups import joined_groups, similar_groups

LOWEST = 0.9
"""Lowest threshold. A token depends on 13 pieces there; shorter ones are shared by chance."""
TOUCHED = 5
"""Pieces in a row that one edit changes: residue, amides beside it, a neighbour that is an end."""
PAIRS_AT_ONCE = 1 << 20
"""Pairs compared at a time, which bounds the memory."""


def identity_groups(store: GraphStore, threshold: float) -> Rows:
    """Return the group of each graph, named by the smallest row in it. [G] int64.

    Args:
        store: an opened store.
        threshold: identity from `LOWEST` to 1. Peptides that differ by one residue are joined at
            any threshold.

    Raises:
        InputError: the threshold is outside this range.
    """
    check_threshold(threshold)
    groups = similar_groups(store)
    if not len(store):
        return groups
    keys, rows = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    owners: list[Rows] = []
    labels: list[Hashes] = []
    leaves: list[Rows] = []
    for start, pieces in piece_graphs(store):
        for key, owner in window_keys(pieces, threshold):
            keys.append(key)
            rows.append(owner + start)
        owners.append(pieces.owner + start)
        labels.append(pieces.label)
        leaves.append(pieces.leaves)
    composition = Composition(
        np.concatenate(owners), np.concatenate(labels), np.concatenate(leaves), threshold
    )
    for left, right in candidates(np.concatenate(keys), np.concatenate(rows)):
        apart = groups[left] != groups[right]
        left, right = left[apart], right[apart]
        alike = composition.alike(left, right)
        groups = joined_groups(
            len(store),
            np.concatenate([np.arange(len(store)), left[alike]]),
            np.concatenate([groups, right[alike]]),
        )
    return groups


def check_threshold(threshold: float) -> None:
    """Raise InputError for an identity outside `LOWEST` to 1."""
    if not LOWEST <= threshold <= 1:
        raise InputError(f"threshold {threshold}; expected an identity from {LOWEST} to 1")


def edits(residues: int, threshold: float) -> int:
    """Return how many residues may differ at this identity."""
    return floor((1 - threshold) * residues + 1e-9)


def reach(residues: int, threshold: float) -> int:
    """Return r, how many bonds a token may reach so that one survives; -1 if no edit is allowed."""
    k = edits(residues, threshold)
    pieces = 2 * residues - 3  # a ring with a bridge has the fewest
    return max(0, ((pieces - 1) // k - TOUCHED) // 2) if k else -1


def window_keys(p: PieceGraph, threshold: float) -> Iterator[tuple[Hashes, Rows]]:
    """Yield keys made of tokens, and the graph of each key.

    A graph gets the tokens of each reach that a partner of some length may need.
    """
    residues = 1 + np.bincount(p.owner[p.label == bare_amide()], minlength=p.graphs)
    wanted: dict[int, list[int]] = {}
    for n in np.unique(residues).tolist():
        for r in {reach(m, threshold) for m in range(n, floor(n / threshold + 1e-9) + 1)}:
            wanted.setdefault(r, []).append(n)
    token = p.label
    for r in range(max(wanted, default=-1) + 1):
        if r:
            token = mix(token + p.bonds @ salted(token, r))
        if r in wanted:
            emit = np.isin(residues, wanted[r])[p.owner]
            yield salted(token[emit], 100 + r), p.owner[emit]


def candidates(keys: Hashes, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Yield all pairs of different rows that share a key, in blocks; a pair may come twice."""
    order = np.lexsort((rows, keys))
    key, row = keys[order], rows[order]
    new = np.ones(len(key), bool)
    new[1:] = (key[1:] != key[:-1]) | (row[1:] != row[:-1])
    key, row = key[new], row[new]
    place, step = np.arange(len(key)), 1
    left, right, count = [], [], 0
    while len(place):
        place = place[place + step < len(key)]
        place = place[key[place] == key[place + step]]
        left.append(row[place])
        right.append(row[place + step])
        count, step = count + len(place), step + 1
        if count > PAIRS_AT_ONCE or not len(place):
            yield np.concatenate(left), np.concatenate(right)
            left, right, count = [], [], 0


class Composition:
    """How many pieces of each kind each of G graphs has, without their order.

    Args:
        owner: [N] int64, graph of each piece.
        label: [N] uint64, kind of each piece.
        leaves: [G] pieces of each graph with one neighbour: ends and side branches.
        threshold: identity.
    """

    def __init__(self, owner: Rows, label: Hashes, leaves: Rows, threshold: float) -> None:
        graphs, amide = len(leaves), label == bare_amide()
        self._residues = 1 + np.bincount(owner[amide], minlength=graphs)
        most = int(self._residues.max(initial=1))
        self._edits = np.array([edits(n, threshold) for n in range(most + 1)])
        owner, label = owner[~amide], label[~amide]
        self._leaves = leaves
        self._pieces = np.bincount(owner, minlength=graphs)
        numbered = np.stack([label, _occurrence(owner, label)], 1)
        column = np.unique(numbered, axis=0, return_inverse=True)[1].ravel()
        ones = np.ones(len(owner), np.int32)
        self._table: Any = csr_matrix((ones, (owner, column)), shape=(graphs, len(owner) + 1))

    def alike(self, a: Rows, b: Rows) -> npt.NDArray[np.bool_]:
        """Return whether the allowed edits explain the pieces that P pairs do not share. [P]."""
        shared = np.zeros(len(a), np.int64)
        for i in range(0, len(a), PAIRS_AT_ONCE):
            part = slice(i, i + PAIRS_AT_ONCE)
            both = self._table[a[part]].multiply(self._table[b[part]])
            shared[part] = np.asarray(both.sum(axis=1)).ravel()
        k = self._edits[np.maximum(self._residues[a], self._residues[b])]
        branches = np.minimum(k, np.maximum(self._leaves[a], self._leaves[b]))
        needed = np.maximum(self._pieces[a], self._pieces[b]) - k - branches - 2
        found: npt.NDArray[np.bool_] = shared >= needed
        return found


def _occurrence(owner: Rows, label: Hashes) -> Hashes:
    """Return how many pieces of the same kind come before each piece in its graph. [N] uint64."""
    order = np.lexsort((label, owner))
    same = np.zeros(len(order), bool)
    same[1:] = (owner[order][1:] == owner[order][:-1]) & (label[order][1:] == label[order][:-1])
    starts = np.flatnonzero(~same)
    run = np.repeat(starts, np.diff(np.append(starts, len(order))))
    count = np.zeros(len(order), np.uint64)
    count[order] = np.arange(len(order)) - run
    return count
