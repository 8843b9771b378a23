"""Which graphs an epoch holds, in which global order: subsets, several stores, weights.

No array is as long as an epoch, except the rows of a subset: arithmetic turns a place of the order
into a graph number, so every place can be computed independently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
from pepland_data.loader.order.permutation import Rows, block_shuffled, shuffled

SHUFFLES = (True, False, "block")
_EXTRA_DRAWS = 2**31
"""First random stream of the extra draws of weighted stores; streams of windows start at 2."""


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
    """Graphs of each store in an epoch."""
    shuffle: bool | str
    """True for a global shuffle, ``block`` for a shuffle in windows of blocks, False for none."""
    seed: int

    def __len__(self) -> int:
        return sum(self.counts)

    def at(self, places: npt.ArrayLike, epoch: int) -> Rows:
        """Return the graph numbers at some places of the order of an epoch. [K] int64."""
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

        Of a store with N rows, each row is drawn count // N times. The remaining draws are the
        first rows of a shuffled order of the store.
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
            extra = draw >= self.counts[store] // n * n
            if extra.any():
                local[extra] = shuffled(local[extra], n, self.seed, epoch, _EXTRA_DRAWS + store)
            rows = self.rows[store]
            graphs[here] = start[store] + (local if rows is None else rows[local])
        return graphs


def epoch_counts(sizes: Sequence[int], weights: Sequence[float]) -> list[int]:
    """Return how many graphs of each store an epoch holds; they add up to the sum of the sizes.

    Args:
        sizes: graphs of each store.
        weights: positive shares with any sum; empty means shares by size.

    Raises:
        InputError: not one positive weight per store, or a weight for a store without graphs.
    """
    if not len(weights):
        return list(sizes)
    if len(weights) != len(sizes) or not all(w > 0 for w in weights):
        raise InputError(
            f"weights {list(weights)} for {len(sizes)} stores; give one positive number for each"
        )
    if not all(sizes):
        raise InputError("a store without graphs cannot have a weight; leave out the store")
    ends = np.cumsum(weights) / np.sum(weights) * sum(sizes)
    return [int(n) for n in np.diff([0, *np.round(ends)])]
