"""Which graphs a rank takes in each step of an epoch, starting at any position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pepland_data.loader.corpus import Corpus, Rows
from pepland_data.loader.order.budget import Budget
from pepland_data.loader.order.epoch_order import EpochOrder

CHUNK = 32768
"""Places of the order that are computed at once; with 8192, each costs twice as much."""


@dataclass(frozen=True, eq=False)
class RankBatches:
    """Steps of one rank.

    By number: a step is ``batch_size * world_size`` places of the global order, of which rank r
    takes every W-th, starting at place r. By budget: a step is ``world_size`` runs, of which rank r
    takes the r-th. In both cases the graphs of a step do not depend on the rank, and a position is
    a place of the global order.
    """

    corpus: Corpus
    order: EpochOrder
    batch_size: int
    rank: int
    world_size: int
    drop_last: bool
    """Leave out a last step in which not every rank has a full batch."""
    budget: Budget | None

    def steps(self, epoch: int, position: int) -> Iterator[tuple[Rows, int]]:
        """Yield this rank's graphs and the position after each remaining step of the epoch."""
        if self.budget is None:
            yield from self._by_number(epoch, position)
        else:
            yield from self._by_budget(epoch, position)

    def count(self, epoch: int) -> int:
        """Return the steps of a whole epoch, the same on every rank."""
        if self.budget is None:
            width = self.batch_size * self.world_size
            return len(self.order) // width if self.drop_last else -(-len(self.order) // width)
        return sum(1 for _ in self._by_budget(epoch, 0))

    def _by_number(self, epoch: int, position: int) -> Iterator[tuple[Rows, int]]:
        width = self.batch_size * self.world_size
        total = len(self.order) // width * width if self.drop_last else len(self.order)
        chunk = max(1, CHUNK // self.batch_size) * width
        for start in range(position, total, chunk):
            end = min(start + chunk, total)
            mine = [
                np.arange(first + self.rank, min(first + width, end), self.world_size)
                for first in range(start, end, width)
            ]
            graphs = self.order.at(np.concatenate(mine), epoch)
            for places, first in zip(mine, range(start, end, width), strict=True):
                taken, graphs = graphs[: len(places)], graphs[len(places) :]
                yield self.corpus.group_by_store(taken), first + width

    def _by_budget(self, epoch: int, position: int) -> Iterator[tuple[Rows, int]]:
        step: list[Rows] = []
        after = position
        for graphs in self._runs(epoch, position):
            step.append(graphs)
            after += len(graphs)
            if len(step) == self.world_size:
                yield self.corpus.group_by_store(step[self.rank]), after
                step = []
        if step and not self.drop_last:
            mine = step[self.rank] if self.rank < len(step) else np.zeros(0, np.int64)
            yield self.corpus.group_by_store(mine), after

    def _runs(self, epoch: int, position: int) -> Iterator[Rows]:
        """Yield the graphs of each run; the next chunk starts with a run that the last one cut."""
        assert self.budget is not None
        chunk = max(CHUNK, 4 * self.budget.graphs)
        while position < len(self.order):
            end = min(position + chunk, len(self.order))
            graphs = self.order.at(np.arange(position, end), epoch)
            stops = self.budget.stops(self.corpus.sizes(graphs))
            if end < len(self.order):
                stops.pop()
            for start, stop in zip([0, *stops], stops, strict=False):
                yield graphs[start:stop]
            position += stops[-1]
