"""Which graphs an epoch holds, in which global order: subsets, several stores, weights.

Nothing here is as long as an epoch unless a subset was named: a place of the order is turned into a
graph number by arithmetic, so any place can be asked for at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
from pepland_data.loader.order.permutation import block_shuffled, shuffled

Rows = npt.NDArray[np.int64]
SHUFFLES = (True, False, "block")
_REST = 2**31
"""Streams of the draws that fill up a weighted store; those of windows count from 2."""


@dataclass(frozen=True, eq=False)
class EpochOrder:
    """The global order of every epoch of one or more stores.

    Graph numbers of the second store start after the last row of the first, and so on.
    """

    sizes: tuple[int, ...]
    """Graphs of each store."""
    rows: tuple[Rows | None, ...]
    """Rows of each store to draw from, each [N] int64; None for all."""
    counts: tuple[int, ...]
    """Graphs that each store gives to an epoch."""
    shuffle: bool | str
    """True for a global shuffle, ``block`` for one that keeps neighbours near, False for none."""
    seed: int

    def __len__(self) -> int:
        return sum(self.counts)

    def at(self, places: npt.ArrayLike, epoch: int) -> Rows:
        """Return the graph numbers at some places of an epoch's order. [K] int64."""
        wanted = np.asarray(places, np.int64)
        if self.shuffle:
            bijection = block_shuffled if self.shuffle == "block" else shuffled
            wanted = bijection(wanted, len(self), self.seed, epoch)
        if len(self.sizes) == 1 and self.counts[0] == self._available(0):
            return wanted if self.rows[0] is None else self.rows[0][wanted]
        return self._drawn(wanted, epoch)

    def _available(self, store: int) -> int:
        rows = self.rows[store]
        return self.sizes[store] if rows is None else len(rows)

    def _drawn(self, draws: Rows, epoch: int) -> Rows:
        """Return the graph of each draw: draws 0..counts[0]-1 are of the first store, and so on.

        A store with N rows gives each of them count // N times, and the rest of its share is N's
        first rows in an order of their own.
        """
        first = np.cumsum([0, *self.counts])
        start = np.cumsum([0, *self.sizes])
        owner = np.searchsorted(first, draws, side="right") - 1
        graphs = np.empty_like(draws)
        for store in np.unique(owner).tolist():
            here = owner == store
            n = self._available(store)
            draw = draws[here] - first[store]
            local = draw % n
            rest = draw >= self.counts[store] // n * n
            if rest.any():
                local[rest] = shuffled(local[rest], n, self.seed, epoch, _REST + store)
            rows = self.rows[store]
            graphs[here] = start[store] + (local if rows is None else rows[local])
        return graphs


def epoch_counts(sizes: Sequence[int], weights: Sequence[float]) -> list[int]:
    """Return how many graphs of each store an epoch holds; their sum is that of the sizes.

    Args:
        sizes: graphs of each store.
        weights: positive shares of any sum; empty means by size.

    Raises:
        InputError: not one positive weight a store, or a weight on a store without graphs.
    """
    if not len(weights):
        return list(sizes)
    if len(weights) != len(sizes) or not all(w > 0 for w in weights):
        raise InputError(
            f"weights {list(weights)} for {len(sizes)} stores; give one positive number for each"
        )
    if not all(sizes):
        raise InputError("a store without graphs cannot have a weight; leave it out")
    ends = np.cumsum(weights) / np.sum(weights) * sum(sizes)
    return [int(n) for n in np.diff([0, *np.round(ends)])]
