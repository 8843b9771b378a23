"""What an estimate is about: graphs of stores, and how large batches of them are.

A batch of a size that the stores can fill is searched for equal states, as a card would do it. For
a larger one, rows grow with the batch, and each room with the power of it that the two largest
batches show (Heaps' law: a corpus twice as large has fewer than twice as many distinct states).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pepland_data import BuildOptions, GraphLoader, GraphStore, build, open_store
from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.byte_layout import Shape, spans
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.loader.tiers.choice import corpus_bytes
from pepland_data.resources import sample_path
from pepland_model.measure.dry_steps import Sizes, sizes_for
from pepland_model.network.states.rooms import SPARE
from pepland_model.run.config import ModelConfig

LARGEST = 8192
"""Graphs of the largest batch that is searched; it takes two seconds."""
MULTIPLE = 64
"""Sizes of arrays are multiples of it."""


@dataclass(frozen=True)
class BatchSizes:
    """Sizes of the arrays of a batch, in training and in inference."""

    training: Sizes
    inference: Sizes

    @property
    def bytes(self) -> int:
        """Bytes of the arrays of the batch."""
        return spans(Shape(self.training["graphs"], self.training["rows"]))[1]


class Corpus:
    """Graphs of one or more stores, as one corpus.

    Args:
        paths: folders of stores.
        model: sizes of the network.

    Raises:
        InputError: there are no graphs.
    """

    def __init__(self, paths: Sequence[str], model: ModelConfig) -> None:
        self.stores: list[GraphStore] = [open_store(path) for path in paths]
        self.model = model
        self.graphs = sum(len(store) for store in self.stores)
        if not self.graphs:
            raise InputError(f"{', '.join(paths)} holds no graphs; there is nothing to estimate")
        self._found: dict[int, BatchSizes] = {}

    @property
    def name(self) -> str:
        """Names of the stores."""
        return " + ".join(store.path.resolve().name for store in self.stores)

    def mean(self, group: str) -> float:
        """Return atoms, fragments, bonds or reactions per graph."""
        return sum(store.manifest.counts[f"{group}s"] for store in self.stores) / self.graphs

    @property
    def coded_bytes_per_graph(self) -> float:
        """Bytes of a graph where a corpus is kept in memory, without its text."""
        return corpus_bytes(self.stores) / self.graphs

    @property
    def stored_bytes_per_graph(self) -> float:
        """Bytes of a graph on disk, with its text and its share of the tables."""
        files = [f for s in self.stores for f in Path(s.path).rglob("*") if f.is_file()]
        return sum(f.stat().st_size for f in files) / self.graphs

    def batch(self, size: int) -> HeteroBatch:
        """Return a batch drawn at random, the same one every time."""
        return next(iter(GraphLoader(self.stores, min(size, self.graphs))))

    @cached_property
    def tables(self) -> BatchTables:
        """Return the tables of all batches."""
        return self.batch(1).tables

    def is_searched(self, size: int) -> bool:
        """Return whether a batch of this size is searched."""
        return size <= min(self.graphs, LARGEST)

    def sizes(self, size: int) -> BatchSizes:
        """Return the sizes of the arrays for a batch of any size."""
        if size not in self._found:
            self._found[size] = (
                self._searched(size) if self.is_searched(size) else self._larger(size)
            )
        return self._found[size]

    def _searched(self, size: int) -> BatchSizes:
        batch = self.batch(size)
        assert batch.num_graphs == size
        return BatchSizes(*sizes_for(batch, self.model))

    def _larger(self, size: int) -> BatchSizes:
        most = min(self.graphs, LARGEST)
        large, small = self.sizes(most), self.sizes(max(most // 2, 1))
        return BatchSizes(
            grown(small.training, large.training, size),
            grown(small.inference, large.inference, size),
        )


def grown(small: Sizes, large: Sizes, graphs: int) -> dict[str, Any]:
    """Return the sizes for a larger batch, from those of two batches."""
    times = graphs / large["graphs"]
    doubling = math.log(max(large["graphs"] / small["graphs"], 2))
    rows = {name: rounded(n * times) for name, n in large["rows"].items()}
    rooms = {
        name: rounded(SPARE + (n - SPARE) * times ** exponent(small["rooms"][name], n, doubling))
        for name, n in large["rooms"].items()
    }
    return {"graphs": graphs, "rows": rows, "rooms": rooms, "salt": large["salt"]}


def exponent(few: int, many: int, doubling: float) -> float:
    """Return the power of the batch with which a room grows, from 0 to 1."""
    ratio = max(many - SPARE, 1) / max(few - SPARE, 1)
    return min(max(math.log(ratio) / doubling, 0.0), 1.0)


def rounded(rows: float) -> int:
    """Return a number of rows as arrays have it."""
    return math.ceil(rows / MULTIPLE) * MULTIPLE


def sample_store(folder: Path) -> str:
    """Build a store of the bundled sample in a folder; RDKit is needed."""
    build(sample_path(), folder / "sample", BuildOptions(workers=1))
    return str(folder / "sample")
