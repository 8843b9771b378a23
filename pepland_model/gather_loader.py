"""Batches by plain gathers from one store or a weighted mixture of several.

The order of an epoch is a seeded permutation, the same for any number of ranks: a global batch is a
run of it, and rank r of W takes every W-th graph of that run. The last batch of an epoch is
smaller; a rank that gets nothing of it yields an empty batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pepland_data.batch import BatchTables, HeteroBatch
from pepland_data.columns import GraphColumns, concat
from pepland_data.loader import choose_tier
from pepland_data.resident import ResidentStore
from pepland_data.tables import merge_tables

Rows = npt.NDArray[np.int64]


class GatherLoader:
    """Iterate over batches of chosen rows of some stores.

    Graph numbers of the second store start behind the last row of the first, and so on.

    Args:
        stores: opened stores.
        rows: rows of each store to draw from.
        batch_size: graphs a batch and rank.
        weights: share of each store in an epoch; empty means by size.
        shuffle: in a new order each epoch.
        seed: of that order.
        rank: this process.
        world_size: number of processes.
        device: where batches go.
        tier: of `pepland_data.GraphLoader`; a mixture of stores is always mapped.
    """

    def __init__(
        self,
        stores: Sequence[Any],
        rows: Sequence[Rows],
        batch_size: int,
        weights: Sequence[float] = (),
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
        tier: str = "mmap",
    ) -> None:
        self.stores, self.batch_size, self.shuffle, self.seed = stores, batch_size, shuffle, seed
        self.rank, self.world_size, self.device = rank, world_size, torch.device(device)
        tables, self._recodes = merge_tables([store.tables for store in stores])
        self.tables = BatchTables.from_tables(tables, self.device)
        self._resident = self._make_resident(tier)
        self._start = np.cumsum([0, *(len(store) for store in stores)])
        self._rows = [r + start for r, start in zip(rows, self._start, strict=False)]
        self._counts = epoch_counts([len(r) for r in rows], weights)
        self.epoch = self.position = 0

    def _make_resident(self, tier: str) -> ResidentStore | None:
        """Hold a single store in memory where its tier says so; its codes are canonical already."""
        chosen = "mmap"
        if len(self.stores) == 1:
            chosen, _ = choose_tier(self.stores[0], self.device, tier)
        if chosen == "mmap":
            return None
        home = self.device if chosen == "device" else torch.device("cpu")
        return ResidentStore(self.stores[0], home)

    @property
    def num_graphs(self) -> int:
        """Graphs an epoch, over all ranks."""
        return sum(self._counts)

    def __len__(self) -> int:
        return -(-self.num_graphs // (self.batch_size * self.world_size))

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch."""
        self.epoch, self.position = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Return epoch and position in the global order."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` was taken, on any number of ranks."""
        self.epoch, self.position = state["epoch"], state["position"]

    def __iter__(self) -> Iterator[HeteroBatch]:
        order = self.order(self.epoch)
        width = self.batch_size * self.world_size
        while self.position < len(order):
            chosen = order[self.position : self.position + width][self.rank :: self.world_size]
            self.position += width
            yield self.batch(chosen)

    def order(self, epoch: int) -> Rows:
        """Return the graph numbers of an epoch in their global order."""
        if not self.shuffle:
            return np.concatenate(self._rows)
        parts = [
            self._drawn(rows, count, epoch, i)
            for i, (rows, count) in enumerate(zip(self._rows, self._counts, strict=True))
        ]
        generator = np.random.default_rng([self.seed % 2**63, epoch])
        return generator.permutation(np.concatenate(parts))

    def _drawn(self, rows: Rows, count: int, epoch: int, store: int) -> Rows:
        """Return `count` rows: each one as often as any other, give or take one."""
        whole, rest = divmod(count, max(1, len(rows)))
        generator = np.random.default_rng([self.seed % 2**63, epoch, store])
        return np.concatenate([np.tile(rows, whole), generator.permutation(rows)[:rest]])

    def batch(self, graphs: Rows) -> HeteroBatch:
        """Gather graphs by their numbers, in their order."""
        if self._resident is not None:
            made = self._resident.batch(graphs, self.tables)
            return made.to(self.device, non_blocking=True)
        owner = np.searchsorted(self._start, graphs, side="right") - 1
        order = np.argsort(owner, kind="stable")
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        used = np.unique(owner).tolist() or [0]
        parts = [self._gather(i, graphs[order][owner[order] == i]) for i in used]
        columns = concat(parts).take(back)
        batch = HeteroBatch.from_columns(columns, self.tables, graphs)
        return batch.to(self.device, non_blocking=True)

    def _gather(self, store: int, graphs: Rows) -> GraphColumns:
        columns: GraphColumns = self.stores[store].gather(graphs - self._start[store])
        return columns.recode(self._recodes[store])


def epoch_counts(sizes: Sequence[int], weights: Sequence[float]) -> list[int]:
    """Return how many graphs of each store an epoch holds; their sum is that of the sizes.

    Args:
        sizes: graphs of each store.
        weights: positive shares of any sum; empty means by size.
    """
    if not weights:
        return list(sizes)
    ends = np.cumsum(weights) / np.sum(weights) * sum(sizes)
    return [int(n) for n in np.diff([0, *np.round(ends)])]
