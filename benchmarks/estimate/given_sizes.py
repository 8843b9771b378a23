"""An estimate for batches whose sizes are known, without the graphs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pepland_data.batch.arrays import BatchTables
from pepland_model.estimate.calibration import Calibration
from pepland_model.estimate.corpus import BatchSizes, Corpus
from pepland_model.estimate.memory import Memory
from pepland_model.estimate.speed import Speeds
from pepland_model.estimate.work import Workload
from pepland_model.measure.dry_steps import Sizes
from pepland_model.run.config import ModelConfig, OptimConfig

PER_GRAPH = {"atom": 166.12, "fragment": 46.69, "bond": 168.51, "reaction": 46.65}
"""Means of the corpus that was measured (``results.store.per_graph`` of the calibration)."""


class GivenSizes(Corpus):
    """Batches of known sizes.

    Args:
        tables: of the batches.
        sizes: graphs -> sizes of the arrays.
    """

    coded_bytes_per_graph = 0.0  # type: ignore[assignment]

    def __init__(self, tables: BatchTables, sizes: Mapping[int, BatchSizes]) -> None:
        self.tables, self._found = tables, dict(sizes)


def workload(corpus: Corpus, dedup: str = "auto") -> Workload:
    """Return the steps of the default network on batches of a corpus."""
    return Workload(corpus, ModelConfig(dedup=dedup), OptimConfig())


def memory_of(work: Workload, calibration: Calibration) -> Memory:
    """Return the memory of steps; `Memory.speeds` has their times, without a loader."""
    return Memory(Speeds(work, calibration, loader_graphs_per_s=math.inf), 0)


def whole_batch(graphs: int, atoms: float) -> Sizes:
    """Return the sizes of a batch of which every row is computed, without slack."""
    rows = {name: round(atoms * mean / PER_GRAPH["atom"]) for name, mean in PER_GRAPH.items()}
    return {"graphs": graphs, "rows": rows, "rooms": {}, "salt": 0}


def every_row(tables: BatchTables, atoms: Mapping[int, float]) -> GivenSizes:
    """Return batches of which every row is computed, from graphs -> atoms."""
    sizes: dict[int, Any] = {n: whole_batch(n, many) for n, many in atoms.items()}
    return GivenSizes(tables, {n: BatchSizes(size, size) for n, size in sizes.items()})
