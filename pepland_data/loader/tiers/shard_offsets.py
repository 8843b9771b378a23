"""Where each graph begins inside its shard, computed from the sizes alone.

The pointers of a shard hold the same, but reading one costs a Python object and a page of the file.
Every eighth pointer is kept, 4 bytes per graph for all groups; the sizes in between are added.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pepland_data.graph.columns import GROUPS
from pepland_data.store.graph_store import GraphStore

STRIDE = 8
"""Graphs between two kept pointers."""
Rows = npt.NDArray[np.int64]
_BEFORE = np.tri(STRIDE, k=-1, dtype=np.int64)
"""Row r has ones for the r graphs before the r-th of a stride."""


class ShardOffsets:
    """First rows of a store's graphs, each counted from the start of its shard.

    Args:
        store: opened store; only its sizes are read.
    """

    def __init__(self, store: GraphStore) -> None:
        self._sizes = {g: np.asarray(store.sizes[f"num_{g}s"]) for g in GROUPS}
        self._count, self._shard_ptr = len(store), store.shard_ptr
        self._kept = {group: _stride_starts(sizes) for group, sizes in self._sizes.items()}
        shards = self._shard_ptr[:-1]
        self._of_shard = {group: self._in_store(shards)[group] for group in GROUPS}

    def __call__(self, rows: Rows, shard: Rows) -> dict[str, Rows]:
        """Return group -> first row of each graph in its shard. [K] int64.

        Args:
            rows: [K] int64, rows of the store.
            shard: [K] int64, the shards they are in.
        """
        return {g: at - self._of_shard[g][shard] for g, at in self._in_store(rows).items()}

    def _in_store(self, rows: Rows) -> dict[str, Rows]:
        """Return group -> first row of each graph in the store. [K] int64."""
        stride = rows // STRIDE
        near = np.minimum((stride * STRIDE)[:, None] + np.arange(STRIDE), self._count - 1)
        before = _BEFORE[rows - stride * STRIDE]
        return {
            group: self._kept[group][stride] + np.einsum("ij,ij->i", sizes[near], before)
            for group, sizes in self._sizes.items()
        }


def _stride_starts(sizes: npt.NDArray[np.integer]) -> Rows:
    """Return the sum of the sizes before each stride. [strides] int64."""
    if not len(sizes):
        return np.zeros(1, np.int64)
    sums = np.add.reduceat(sizes, np.arange(0, len(sizes), STRIDE), dtype=np.int64)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sums)[:-1]])
