"""The ``mmap`` tier: batches from the mapped shards.

One ``take`` of Arrow copies the slices of a batch, ten per graph, from the mapped files. It runs
without the lock of Python, so several threads make batches at the same time, and the graphs may be
in any number of shards: a slice is given by its address. Each slice is compared with the length of
its column before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.batch.byte_layout import COLUMNS, BatchOutline
from pepland_data.graph.columns import GROUPS, GraphColumns
from pepland_data.loader.corpus import Corpus, Rows
from pepland_data.loader.tiers.records import RecordLayout
from pepland_data.loader.tiers.segments import taken_at
from pepland_data.loader.tiers.shard_offsets import ShardOffsets
from pepland_data.loader.tiers.source import Flat, recoded
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.store_files import damaged

CHECK_SHARE = 0.01
"""Share of the time that checks of mapped files may take."""


class MmapSource:
    """The mapped shards; each is opened and checked when it is first needed.

    Args:
        corpus: the stores.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._mapped = [_MappedStore(store) for store in corpus.stores]
        self._identities: dict[Path, tuple[int, int]] = {}
        self._next_check = 0.0

    def prepare(self, graphs: Rows) -> None:
        """Open the shards of some graphs; one thread at a time, as it may copy remote files."""
        for number, _, rows in self._by_store(graphs):
            self._open(number, self._mapped[number].shard_of(rows))

    def runs(self, outline: BatchOutline) -> Iterator[tuple[slice, Flat]]:
        """Yield one run of graphs for each store.

        Raises:
            StoreDamagedError: a shard is damaged, missing, or was cut short or replaced.
        """
        for number, run, rows in self._by_store(outline.graphs):
            mapped, recode = self._mapped[number], self.corpus.recodes[number]
            shard = mapped.shard_of(rows)
            self._open(number, shard)
            self._check_files()
            flat = mapped.take(rows, shard, {g: n[run] for g, n in outline.sizes.items()})
            yield run, {name: recoded(values, name, recode) for name, values in flat.items()}

    def _by_store(self, graphs: Rows) -> Iterator[tuple[int, slice, Rows]]:
        """Yield each store with its graphs: their places, and their rows in the store."""
        owner = self.corpus.owner(graphs)
        for number in np.unique(owner).tolist():
            first, last = np.searchsorted(owner, [number, number + 1]).tolist()
            yield number, slice(first, last), graphs[first:last] - self.corpus.start[number]

    def _open(self, number: int, shards: Rows) -> None:
        """Map and check the shards of a store that are not open yet."""
        mapped, store = self._mapped[number], self.corpus.stores[number]
        for shard in set(shards[~mapped.opened[shards]].tolist()):
            columns = self.corpus.shard_columns(number, shard)
            path = store.path / store.manifest.shards[shard].file
            self._identities[path] = _identity(path)
            mapped.add(shard, columns)

    def _check_files(self) -> None:
        """Check that the mapped files still exist and have the same length.

        Reading beyond the end of a mapped file would kill the process. The check takes a
        microsecond per file, and is repeated so rarely that it costs `CHECK_SHARE` of the time.
        """
        began = time.perf_counter()
        if began < self._next_check:
            return
        for path, identity in list(self._identities.items()):
            if _identity(path) != identity:
                raise damaged(path, "it was cut short or replaced while it was in use")
        self._next_check = began + (time.perf_counter() - began) / CHECK_SHARE


class _MappedStore:
    """Where the columns of the open shards of a store are in memory."""

    def __init__(self, store: GraphStore) -> None:
        self.layout, self._shard_ptr = RecordLayout(store.manifest.dtypes), store.shard_ptr
        self._starts = ShardOffsets(store)
        self.opened = np.zeros(store.num_shards, bool)
        self._addresses = np.zeros((len(COLUMNS), store.num_shards), np.int64)
        self._rows = {group: np.zeros(store.num_shards, np.int64) for group in GROUPS}
        self._arrays: list[list[npt.NDArray[Any]]] = []
        """The columns of all open shards; they keep the files mapped."""

    def shard_of(self, rows: Rows) -> Rows:
        """Return the shard of each row of the store. [K] int64."""
        return np.searchsorted(self._shard_ptr, rows, side="right") - 1

    def add(self, shard: int, columns: GraphColumns) -> None:
        """Note where a shard is; other threads may take graphs of other shards meanwhile."""
        arrays = [np.ascontiguousarray(getattr(columns, name)) for name in self.layout.names]
        self._arrays.append(arrays)
        for group, names in GROUPS.items():
            self._rows[group][shard] = len(getattr(columns, names[0]))
        self._addresses[:, shard] = [array.ctypes.data for array in arrays]
        self.opened[shard] = True

    def take(self, rows: Rows, shard: Rows, sizes: Mapping[str, Rows]) -> Flat:
        """Return the flat columns of some graphs of open shards.

        Args:
            rows: [K] int64, rows of the store.
            shard: [K] int64, the shards they are in.
            sizes: group -> rows of each graph, [K] int64.
        """
        begins, layout = self._starts(rows, shard), self.layout
        for group, first in begins.items():
            if (first + sizes[group] > self._rows[group][shard]).any():
                raise IndexError(f"{group}s outside their shard")
        first = np.stack([begins[group] for group in layout.groups])
        addresses = self._addresses[:, shard] + first * layout.widths[:, None]
        lengths = layout.segment_bytes(sizes)
        return layout.split(taken_at(addresses.ravel(), lengths.T.ravel()), lengths)


def _identity(path: Path) -> tuple[int, int]:
    """Return inode and length of a file."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise damaged(path, error) from error
    return found.st_ino, found.st_size
