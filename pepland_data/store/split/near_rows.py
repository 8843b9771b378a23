"""Graphs of a store that are near to graphs of other stores: the pairs that a split would join.

Two peptides are near if they share a key (see `similar_groups`), which peptides that differ by one
residue do. With a threshold of identity they are near, too, if they share a token and their
compositions are alike (see `identity_groups`). Only these pairs count, and no chains of them. The
keys of the other stores are sorted and kept in memory, and the store is read shard by shard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pepland_data.graph.columns import pointers, ragged_rows
from pepland_data.hashing import Hashes
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.identity_groups import (
    PAIRS_AT_ONCE,
    Composition,
    check_threshold,
    window_keys,
)
from pepland_data.store.split.piece_graph import PieceGraph, Rows, piece_graphs
from pepland_data.store.split.similar_groups import graph_keys

NONE = -1
"""Stands for the other graph where there is none."""
FAR = np.iinfo(np.int64).max
"""The same, where the smallest number is looked for."""


@dataclass(frozen=True, eq=False)
class NearRows:
    """What was found for the G graphs of a store; the L graphs of the others are numbered on."""

    first: Rows
    """[G] int64, the first of the other graphs that is near, or -1."""
    equal: Rows
    """[P] int64, ascending, the graphs with the pieces and bonds of another one."""
    equal_like: Rows
    """[Q] int64, ascending, these others. Only a pair of both can be the same molecule."""


def near_rows(
    store: GraphStore,
    like: Sequence[GraphStore],
    threshold: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NearRows:
    """Return which graphs of a store are near to graphs of other stores of the same cut.

    Args:
        store: an opened store.
        like: other opened stores.
        threshold: identity from 0.9 to 1. Peptides that differ by one residue are near without it.
        progress: called with the shards compared and their total.

    Raises:
        InputError: the threshold is outside this range.
    """
    if threshold is not None:
        check_threshold(threshold)
    others = LikeRows(like, threshold)
    first, equal = np.full(len(store), NONE), np.zeros(len(store), bool)
    equal_like = np.zeros(others.count, bool)
    for done, (start, pieces) in enumerate(piece_graphs(store), 1):
        rows = slice(start, start + pieces.graphs)
        keys, owner = graph_keys(pieces)
        first[rows] = others.keys.first(keys, owner, pieces.graphs)
        if threshold is not None:
            first[rows] = _with_alike(first[rows], pieces, others, threshold)
        for a, b in others.whole.pairs(keys[: pieces.graphs], owner[: pieces.graphs]):
            equal[start + a] = equal_like[b] = True
        progress(done, store.num_shards)
    return NearRows(first, np.flatnonzero(equal), np.flatnonzero(equal_like))


class KeyIndex:
    """Finds the rows that have a key.

    Args:
        keys: [K] uint64.
        rows: [K] int64, row of each key.
    """

    def __init__(self, keys: Hashes, rows: Rows) -> None:
        order = np.lexsort((rows, keys))
        self._row = rows[order]
        self._key, starts = np.unique(keys[order], return_index=True)
        self._ptr = np.append(starts, len(order)).astype(np.int64)

    def _find(self, keys: Hashes) -> tuple[Rows, Rows]:
        """Return which of some keys are here, and their places."""
        place = np.searchsorted(self._key[:-1], keys)  # the last one stands for all that follow
        hit = np.flatnonzero(self._key[place] == keys) if len(self._key) else place[:0]
        return hit, place[hit]

    def first(self, keys: Hashes, owner: Rows, count: int) -> Rows:
        """Return the smallest row that shares a key with each of `count` graphs, or -1. int64."""
        hit, place = self._find(keys)
        found = np.full(count, FAR)
        np.minimum.at(found, owner[hit], self._row[self._ptr[place]])
        return np.where(found == FAR, NONE, found)

    def pairs(self, keys: Hashes, owner: Rows) -> Iterator[tuple[Rows, Rows]]:
        """Yield graphs and rows that share a key, in blocks that bound the memory."""
        hit, place = self._find(keys)
        block = pointers(self._ptr[place + 1] - self._ptr[place])[1:] // PAIRS_AT_ONCE
        cuts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(hit)]
        for begin, end in pairwise(cuts):
            taken, ptr = ragged_rows(self._ptr, place[begin:end])
            a, b = np.repeat(owner[hit[begin:end]], np.diff(ptr)), self._row[taken]
            both = np.unique(np.stack([a, b], 1), axis=0)
            yield both[:, 0], both[:, 1]


class LikeRows:
    """Keys and pieces of the L graphs of some stores, numbered one after the other.

    Args:
        stores: opened stores.
        threshold: identity, or None.
    """

    def __init__(self, stores: Sequence[GraphStore], threshold: float | None) -> None:
        self.count = sum(len(store) for store in stores)
        whole, keys, windows = _Keys(), _Keys(), _Keys()
        owners, labels, leaves = [_NO_ROWS], [np.zeros(0, np.uint64)], [_NO_ROWS]
        for start, pieces in _pieces(stores):
            found, owner = graph_keys(pieces)
            keys.add(found, owner + start)
            whole.add(found[: pieces.graphs], owner[: pieces.graphs] + start)
            if threshold is not None:
                for token, owner in window_keys(pieces, threshold):
                    windows.add(token, owner + start)
                owners.append(pieces.owner + start)
                labels.append(pieces.label)
                leaves.append(pieces.leaves)
        self.keys, self.whole, self.windows = keys.index(), whole.index(), windows.index()
        self.owner, self.label = np.concatenate(owners), np.concatenate(labels)
        self.leaves = np.concatenate(leaves)


_NO_ROWS = np.zeros(0, np.int64)


class _Keys:
    """Keys and their rows, collected."""

    def __init__(self) -> None:
        self._keys, self._rows = [np.zeros(0, np.uint64)], [_NO_ROWS]

    def add(self, keys: Hashes, rows: Rows) -> None:
        self._keys.append(keys)
        self._rows.append(rows)

    def index(self) -> KeyIndex:
        return KeyIndex(np.concatenate(self._keys), np.concatenate(self._rows))


def _pieces(stores: Sequence[GraphStore]) -> Iterator[tuple[int, PieceGraph]]:
    """Yield the number of the first graph and the pieces of each shard of some stores."""
    for store, first in zip(stores, pointers([len(s) for s in stores]).tolist(), strict=False):
        for start, pieces in piece_graphs(store):
            yield first + start, pieces


def _with_alike(first: Rows, pieces: PieceGraph, others: LikeRows, threshold: float) -> Rows:
    """Return `first` with the first other graph that is alike, for graphs that have none. [G]."""
    found = np.where(first == NONE, FAR, first)
    for keys, owner in window_keys(pieces, threshold):
        lacking = first[owner] == NONE
        for a, b in others.windows.pairs(keys[lacking], owner[lacking]):
            alike = _alike(a, b, pieces, others, threshold)
            np.minimum.at(found, a[alike], b[alike])
    return np.where(found == FAR, NONE, found)


def _alike(
    a: Rows, b: Rows, pieces: PieceGraph, others: LikeRows, threshold: float
) -> npt.NDArray[np.bool_]:
    """Return whether the compositions of P pairs are alike. [P]."""
    if not len(a):
        return np.zeros(0, bool)
    mine, theirs = np.isin(pieces.owner, a), np.isin(others.owner, b)
    composition = Composition(
        np.concatenate([pieces.owner[mine], others.owner[theirs] + pieces.graphs]),
        np.concatenate([pieces.label[mine], others.label[theirs]]),
        np.concatenate([pieces.leaves, others.leaves]),
        threshold,
    )
    return composition.alike(a, b + pieces.graphs)
