"""Groups of peptides that are as alike as a threshold of identity, none of which is missed.

Two peptides of M residues or less and identity t differ by k = floor((1 - t) M), replaced,
inserted or deleted. On the graph of Amiibo pieces (see `split.similarity`) an edit touches
five pieces in a row at most, so it spoils 2 r + 5 of the tokens that see r steps around a piece.
Where k (2 r + 5) is less than the pieces there are, a token survives that both share: peptides
are candidates if they share one, which sorting finds (the pigeonhole filter of string joins, Li
et al. 2011). Of the candidates those are joined that have the same pieces but for one an edit, one
more where the edit meets a branch, and the two ends. Both conditions are necessary, so no pair is
missed; what is joined beyond the threshold shares a stretch of residues and most of the others.
Chains of alike peptides make one group.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
from pepland_data.graph.feature_tables import BARE_AMIDE
from pepland_data.hashing import Hashes, mix, salted, text_hashes
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.similarity import (
    Pieces,
    components,
    neighbour_sum,
    pieces_of,
    similar_groups,
)

LOWEST = 0.9
"""From here on a token sees 13 pieces; below, ever more strangers would share one."""
TOUCHED = 5
"""Pieces in a row that one edit changes: residue, amides beside it, a neighbour that is an end."""
AT_ONCE = 1 << 20
"""Pairs compared at a time."""
Rows = npt.NDArray[np.int64]


def identity_groups(store: GraphStore, threshold: float) -> Rows:
    """Return a group per graph, the smallest row in it; alike graphs share one. [G] int64.

    Args:
        store: an opened store.
        threshold: identity from `LOWEST` to 1; peptides one residue apart are joined in any case.

    Raises:
        InputError: for another threshold.
    """
    if not LOWEST <= threshold <= 1:
        raise InputError(f"threshold {threshold}; expected an identity from {LOWEST} to 1")
    groups = similar_groups(store)
    amide = mix(text_hashes([BARE_AMIDE]))[0]
    fragment = text_hashes(store.tables.fragment_smiles)
    keys, rows, parts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)], []
    leaves: list[Rows] = []
    for s, start in enumerate(store.shard_ptr[:-1].tolist()):
        pieces = pieces_of(store.shard_columns(s), fragment)
        for key, owner in window_keys(pieces, amide, threshold):
            keys.append(key)
            rows.append(owner + start)
        parts.append((pieces.owner + start, pieces.label))
        leaves.append(leaves_of(pieces))
    if not parts:
        return groups
    kinds = Composition(parts, np.concatenate(leaves), amide, threshold)
    a, b = np.arange(len(store)), groups
    for left, right in candidates(np.concatenate(keys), np.concatenate(rows)):
        apart = groups[left] != groups[right]
        left, right = left[apart], right[apart]
        alike = kinds.alike(left, right)
        a, b = np.concatenate([a, left[alike]]), np.concatenate([b, right[alike]])
        groups = components(len(store), a, b)
        a, b = np.arange(len(store)), groups
    return groups


def edits(residues: int, threshold: float) -> int:
    """Return how many residues may differ at this identity."""
    return floor((1 - threshold) * residues + 1e-9)


def reach(residues: int, threshold: float) -> int:
    """Return how far a token may see so that one survives; -1 where all are the same anyway."""
    k = edits(residues, threshold)
    pieces = 2 * residues - 3  # a ring with a bridge has the fewest
    return max(0, ((pieces - 1) // k - TOUCHED) // 2) if k else -1


def window_keys(p: Pieces, amide: np.uint64, threshold: float) -> Iterator[tuple[Hashes, Rows]]:
    """Yield the tokens of each reach that a partner of some length may call for, and their graph.

    Args:
        p: pieces of G graphs.
        amide: label of the bare amide.
        threshold: identity.
    """
    residues = 1 + np.bincount(p.owner[p.label == amide], minlength=p.graphs)
    wanted: dict[int, list[int]] = {}
    for n in np.unique(residues).tolist():
        for r in {reach(m, threshold) for m in range(n, floor(n / threshold + 1e-9) + 1)}:
            wanted.setdefault(r, []).append(n)
    token = p.label
    for r in range(max(wanted, default=-1) + 1):
        if r:
            token = mix(token + neighbour_sum(p, salted(token, r)))
        if r in wanted:
            emit = np.isin(residues, wanted[r])[p.owner]
            yield salted(token[emit], 100 + r), p.owner[emit]


def candidates(keys: Hashes, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Yield all pairs of different rows that share a key, many at a time; pairs may repeat."""
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
        if count > AT_ONCE or not len(place):
            yield np.concatenate(left), np.concatenate(right)
            left, right, count = [], [], 0


def leaves_of(p: Pieces) -> Rows:
    """Return how many pieces of each graph have one neighbour: ends and side branches. [G]."""
    pairs = np.unique(np.stack([p.begin, p.end]), axis=1)
    single = np.bincount(pairs[0], minlength=len(p.owner)) == 1
    return np.bincount(p.owner[single], minlength=p.graphs)


class Composition:
    """The pieces of each graph without their order."""

    def __init__(
        self,
        parts: list[tuple[Rows, Hashes]],
        leaves: Rows,
        amide: np.uint64,
        threshold: float,
    ) -> None:
        from scipy.sparse import csr_matrix

        graphs = len(leaves)
        owner = np.concatenate([one for one, _ in parts])
        label = np.concatenate([one for _, one in parts])
        self._residues = 1 + np.bincount(owner[label == amide], minlength=graphs)
        most = int(self._residues.max(initial=1))
        self._edits = np.array([edits(n, threshold) for n in range(most + 1)])
        owner, label = owner[label != amide], label[label != amide]
        self._leaves = leaves
        self._pieces = np.bincount(owner, minlength=graphs)
        column = np.unique(np.stack([label, _occurrence(owner, label)], 1), axis=0,
                           return_inverse=True)[1].ravel()  # fmt: skip
        ones = np.ones(len(owner), np.int32)
        self._table: Any = csr_matrix((ones, (owner, column)), shape=(graphs, len(owner) + 1))

    def alike(self, a: Rows, b: Rows) -> npt.NDArray[np.bool_]:
        """Return for pairs of rows whether edits can explain the pieces they do not share. [P]."""
        shared = np.zeros(len(a), np.int64)
        for i in range(0, len(a), AT_ONCE):
            part = slice(i, i + AT_ONCE)
            both = self._table[a[part]].multiply(self._table[b[part]])
            shared[part] = np.asarray(both.sum(axis=1)).ravel()
        k = self._edits[np.maximum(self._residues[a], self._residues[b])]
        branches = np.minimum(k, np.maximum(self._leaves[a], self._leaves[b]))
        needed = np.maximum(self._pieces[a], self._pieces[b]) - k - branches - 2
        found: npt.NDArray[np.bool_] = shared >= needed
        return found


def _occurrence(owner: Rows, label: Hashes) -> Hashes:
    """Return for each piece how many of its kind come before it in its graph."""
    order = np.lexsort((label, owner))
    same = np.zeros(len(order), bool)
    same[1:] = (owner[order][1:] == owner[order][:-1]) & (label[order][1:] == label[order][:-1])
    starts = np.flatnonzero(~same)
    run = np.repeat(starts, np.diff(np.append(starts, len(order))))
    count = np.zeros(len(order), np.uint64)
    count[order] = np.arange(len(order)) - run
    return count
