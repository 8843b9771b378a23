"""Batches from stores: a seeded global order, three tiers with equal results, resume at any step.

There are no worker processes. Threads make the next batches while the step runs: from the mapped
shards (``mmap``) or from memory (``host``), in one block that goes to the device in one copy. On
the ``device`` tier the coded corpus is kept on the GPU, and one thread starts the making of batches
there, on a stream of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.byte_layout import (
    Shape,
    arrays,
    host_batch,
    outline_of,
    spans,
)
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.loader.corpus import Corpus, Rows, Subset, subset_rows
from pepland_data.loader.meter import Meter
from pepland_data.loader.order.budget import make_budget
from pepland_data.loader.order.epoch_order import SHUFFLES, EpochOrder, epoch_counts
from pepland_data.loader.order.rank_batches import RankBatches
from pepland_data.loader.prefetch import mapped_ahead, spare_threads
from pepland_data.loader.side_stream import Sent
from pepland_data.loader.tiers.choice import RESERVE, choose_tier, free_bytes, open_source
from pepland_data.loader.tiers.device import DeviceSource
from pepland_data.loader.tiers.host_buffers import HostBuffers
from pepland_data.loader.tiers.source import write_batch
from pepland_data.loader.upload import Uploader
from pepland_data.store.graph_store import GraphStore

AHEAD = 2
"""Batches that are ready before they are requested, beside those that the threads are making."""


class GraphLoader:
    """Iterate over the batches of an epoch, as any PyTorch loader; `iter` begins the next epoch.

    The global order of an epoch depends on seed and epoch only. With W ranks, a step is
    ``batch_size * W`` graphs of the order, of which rank r takes every W-th, starting at place r.
    With a budget it is W runs of the order, of which rank r takes the r-th. The last step is
    shorter; a rank without graphs in it yields an empty batch, so that all ranks take the same
    number of steps. ``drop_last`` omits this step. An interrupted epoch is not resumed, unless
    `load_state_dict` is called; `set_epoch` sets the next epoch.

    Several stores are one corpus: graph numbers of the second start after the last of the first,
    and inside a batch the graphs of one store are adjacent.

    Args:
        store: an opened store, or several.
        batch_size: graphs per batch and rank; with a budget, the most.
        shuffle: True for a global shuffle, ``"block"`` for one with long sequential reads
            from a cold disk, False for the order of the store.
        seed: seed of the order.
        device: device of the batches.
        tier: ``mmap``, ``host``, ``device``, or ``auto`` for the fastest that fits into memory.
        subset: rows to draw from, a bool per row, a function of the pass-through columns that
            returns either, or None for all; a list of those for several stores.
        rank: number of this process.
        world_size: number of processes.
        drop_last: leave out a last step in which not every rank has a full batch.
        weights: share of each store in an epoch, empty for shares by size. All graphs of a store
            are drawn equally often, plus or minus one.
        max_atoms: most atoms per batch.
        max_edges: most directed edges between atoms per batch, two for each bond.
        static_shapes: arrays of the same length in every batch, filled up with padding that
            belongs to no real graph; graphs after the last one are empty and numbered -1.
        reserve: share of the free memory that ``auto`` leaves to training.

    Raises:
        InputError: for an unknown tier or order, sizes below 1, or a graph above the budget.

    Examples:
        >>> loader = GraphLoader(open_store("data/"), batch_size=512)  # doctest: +SKIP
        >>> for batch in loader: ...  # doctest: +SKIP
    """

    def __init__(
        self,
        store: GraphStore | Sequence[GraphStore],
        batch_size: int = 512,
        shuffle: bool | str = True,
        seed: int = 0,
        device: torch.device | str = "cpu",
        tier: str = "auto",
        subset: Subset | Sequence[Subset | None] | None = None,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
        weights: Sequence[float] = (),
        max_atoms: int | None = None,
        max_edges: int | None = None,
        static_shapes: bool = False,
        reserve: float = RESERVE,
    ) -> None:
        _check_options(batch_size, shuffle, rank, world_size)
        stores = [store] if isinstance(store, GraphStore) else store
        subsets = [subset] if isinstance(store, GraphStore) else subset
        self.corpus, self.device = Corpus(stores), torch.device(device)
        order = _order(self.corpus, subsets, weights, shuffle, seed)
        budget = make_budget(self.corpus, order, batch_size, max_atoms, max_edges, static_shapes)
        self._options = {
            "batch_size": batch_size, "shuffle": shuffle, "device": device, "tier": tier,
            "rank": rank, "world_size": world_size, "drop_last": drop_last, "weights": weights,
            "max_atoms": max_atoms, "max_edges": max_edges, "static_shapes": static_shapes,
            "reserve": reserve,
        }  # fmt: skip
        self._shape = budget.shape() if budget is not None and static_shapes else None
        self.batching = RankBatches(
            self.corpus, order, batch_size, rank, world_size, drop_last, budget
        )
        self.tables = BatchTables.from_tables(self.corpus.tables, self.device)
        self.tier_choice = choose_tier(self.corpus.stores, tier, *free_bytes(self.device), reserve)
        self.meter = Meter(self.device)
        self._source = open_source(self.tier, self.corpus, self.tables)
        on_device = isinstance(self._source, DeviceSource)
        self._threads = 1 if on_device else spare_threads()
        copies = self.device.type == "cuda" and not on_device
        slots = self._threads + 2
        self._uploader = Uploader(self.tables, slots, self.meter.copy_waited) if copies else None
        self.epoch = self.position = 0
        self._resumed = False
        self._counted: tuple[int, int] | None = None
        self._begun: tuple[RankBatches, int, int, Iterator[tuple[Rows, int]]] | None = None
        """The steps of `batching` at an epoch and position; the first ones are drawn."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs to continue at the same position of the same stores."""
        own = {"store": self.corpus.stores, "subset": self.batching.order.rows, "seed": self.seed}
        return {"options": {**self._options, **own}, "state": self.state_dict()}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__init__(**saved["options"])  # type: ignore[misc]
        self.load_state_dict(saved["state"])

    @property
    def tier(self) -> str:
        """``mmap``, ``host`` or ``device``."""
        return self.tier_choice.tier

    @property
    def tier_reason(self) -> str:
        """Why this tier was chosen, in one sentence."""
        return self.tier_choice.reason

    @property
    def batch_size(self) -> int:
        """Graphs per batch and rank, at most."""
        return self.batching.batch_size

    @property
    def seed(self) -> int:
        """Seed of the global order."""
        return self.batching.order.seed

    @property
    def num_graphs(self) -> int:
        """Graphs in an epoch, over all ranks."""
        return len(self.batching.order)

    def __len__(self) -> int:
        if self._counted is None or self._counted[0] != self.epoch:
            self._counted = (self.epoch, self.batching.count(self.epoch))
        return self._counted[1]

    def set_epoch(self, epoch: int) -> None:
        """Set the next iteration to the start of an epoch."""
        self.epoch, self.position, self._resumed = epoch, 0, False

    def state_dict(self) -> dict[str, int]:
        """Return seed, epoch, position and length of the global order, equal on every rank.

        Call it between two steps: the last batch counts as processed.
        """
        state = {"seed": self.seed, "epoch": self.epoch, "position": self.position}
        return {**state, "num_graphs": self.num_graphs}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume at the position of a `state_dict` in the next iteration, on any number of ranks.

        Raises:
            InputError: the state is of an epoch with another number of graphs.
        """
        if state.get("num_graphs", self.num_graphs) != self.num_graphs:
            raise InputError(
                f"the state is of an epoch of {state['num_graphs']} graphs, this loader has "
                f"{self.num_graphs}; give the loader the same stores, subset and weights"
            )
        seed = state.get("seed", self.seed)
        self.batching = replace(self.batching, order=replace(self.batching.order, seed=seed))
        self.epoch, self.position = state["epoch"], state["position"]
        self._resumed, self._counted = True, None

    def batch(self, graphs: npt.ArrayLike) -> HeteroBatch:
        """Return graphs as a batch on the device.

        Args:
            graphs: [K] int graph numbers; in the batch they are grouped by store.

        Raises:
            IndexError: a number is outside the corpus.
            StoreDamagedError: a shard is damaged.
        """
        wanted = np.asarray(graphs, np.int64)
        if len(wanted) and not (wanted.min() >= 0 and wanted.max() < len(self.corpus)):
            raise IndexError(f"graph numbers outside 0..{len(self.corpus) - 1}")
        chosen = self.corpus.group_by_store(wanted)
        return self._make(chosen, HostBuffers(0), None).received()

    def _make(self, graphs: Rows, buffers: HostBuffers, shape: Shape | None) -> Sent:
        """Make a batch, in a thread of the loader or of the consumer."""
        with self.meter.time_making():
            outline, source = outline_of(graphs, self.corpus.sizes(graphs), shape), self._source
            if isinstance(source, DeviceSource):
                return source.batch(outline)
            if self._uploader is not None:
                return self._uploader.upload(
                    outline.shape, lambda out: write_batch(out, outline, source)
                )
            out = arrays(buffers.take(spans(outline.shape)[1]), outline.shape)
            write_batch(out, outline, source)
            return Sent(host_batch(out, self.tables).to(self.device), None)

    def __iter__(self) -> Iterator[HeteroBatch]:
        if self.position and not self._resumed:
            self.set_epoch(self.epoch + 1)
        self._resumed = False
        return self._epoch(self.epoch, self.position)

    def _epoch(self, epoch: int, position: int) -> Iterator[HeteroBatch]:
        """Yield the batches of an epoch, starting at a position."""
        count = self._threads + AHEAD
        buffers = HostBuffers(count + 3)

        def make(step: tuple[Rows, int]) -> tuple[Sent, int, int, int]:
            sent = self._make(step[0], buffers, self._shape)
            return sent, len(step[0]), sent.batch.nbytes, step[1]

        ready = mapped_ahead(make, self._steps(epoch, position), count, self._threads)
        while True:
            requested = self.meter.requested()
            item = next(ready, None)
            if item is None:
                break
            sent, graphs, nbytes, after = item
            batch = sent.received()
            self.meter.delivered(requested, graphs, nbytes)
            self.position = after
            yield batch
        self.set_epoch(epoch + 1)

    def _steps(self, epoch: int, position: int) -> Iterator[tuple[Rows, int]]:
        """Yield the graphs of each step and the position after it; one thread at a time draws."""
        batching = self.batching
        steps, begun = batching.steps(epoch, position), self._begun
        self._begun = None
        if begun is not None and begun[0] is batching and begun[1:3] == (epoch, position):
            steps = begun[3]
        return self._prepared(steps, batching, epoch)

    def _prepared(
        self, steps: Iterator[tuple[Rows, int]], batching: RankBatches, epoch: int
    ) -> Iterator[tuple[Rows, int]]:
        for graphs, after in steps:
            if not isinstance(self._source, DeviceSource):
                self._source.prepare(graphs)
            yield graphs, after
        # The next epoch probably follows. Its order is begun while the last batches are used.
        following = batching.steps(epoch + 1, 0)
        first = list(islice(following, 1))
        self._begun = batching, epoch + 1, 0, chain(first, following)


def _check_options(batch_size: int, shuffle: bool | str, rank: int, world_size: int) -> None:
    if shuffle not in SHUFFLES:
        raise InputError(f"unknown order {shuffle!r}; expected shuffle=True, False or 'block'")
    if batch_size < 1 or not 0 <= rank < world_size:
        raise InputError(
            f"batch_size {batch_size}, rank {rank} of {world_size}: expected a batch size of at "
            "least 1, and a rank from 0 to below the number of processes"
        )


def _order(
    corpus: Corpus, subsets: Any, weights: Sequence[float], shuffle: bool | str, seed: int
) -> EpochOrder:
    chosen = [None] * len(corpus.stores) if subsets is None else list(subsets)
    if len(chosen) != len(corpus.stores):
        raise InputError(
            f"{len(chosen)} subsets for {len(corpus.stores)} stores; give one subset per store"
        )
    rows = [subset_rows(s, store) for s, store in zip(chosen, corpus.stores, strict=True)]
    sizes = [len(store) for store in corpus.stores]
    drawn = [n if r is None else len(r) for n, r in zip(sizes, rows, strict=True)]
    counts = epoch_counts(drawn, weights)
    return EpochOrder(tuple(sizes), tuple(rows), tuple(counts), shuffle, seed)
