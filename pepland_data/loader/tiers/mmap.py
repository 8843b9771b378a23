"""The ``mmap`` tier: batches from the mapped shards.

A batch is joined from slices of bytes. This needs no index as long as the batch, a slice cannot
reach outside its array, and the graphs may be in any number of shards.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from operator import getitem, itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from pepland_data.batch.byte_layout import COLUMNS, BatchOutline
from pepland_data.graph.columns import GROUPS
from pepland_data.loader.corpus import Corpus, Rows
from pepland_data.loader.tiers.shard_offsets import ShardOffsets
from pepland_data.loader.tiers.source import Flat, recoded
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
        self._opened = [np.zeros(store.num_shards, bool) for store in corpus.stores]
        self._views: list[dict[str, list[Any]]] = [
            {name: [None] * store.num_shards for name in COLUMNS} for store in corpus.stores
        ]
        """Of each store: column -> one memoryview per shard, None until the shard is opened."""
        self._starts = [ShardOffsets(store) for store in corpus.stores]
        self._identities: dict[Path, tuple[int, int]] = {}
        self._next_check = 0.0

    def runs(self, outline: BatchOutline) -> Iterator[tuple[slice, Flat]]:
        """Yield one run of graphs for each store.

        Raises:
            StoreDamagedError: a shard is damaged, missing, or was cut short or replaced.
        """
        owner = self.corpus.owner(outline.graphs)
        for number in np.unique(owner).tolist():
            first, last = np.searchsorted(owner, [number, number + 1]).tolist()
            yield slice(first, last), self._take(number, outline, slice(first, last))

    def _take(self, number: int, outline: BatchOutline, run: slice) -> Flat:
        store, views = self.corpus.stores[number], self._views[number]
        rows = outline.graphs[run] - self.corpus.start[number]
        shard = np.searchsorted(store.shard_ptr, rows, side="right") - 1
        self._open(number, shard)
        self._check_files()
        begins = self._starts[number](rows, shard)
        shard_of_row = _picker(shard.tolist())
        flat: Flat = {}
        for group, names in GROUPS.items():
            first = begins[group]
            last = first + outline.sizes[group][run]
            slices = list(map(slice, first.tolist(), last.tolist()))
            for name in names:
                joined = b"".join(map(getitem, shard_of_row(views[name]), slices))
                values = np.frombuffer(joined, store.manifest.dtypes[name])
                flat[name] = recoded(values, name, self.corpus.recodes[number])
        return flat

    def _open(self, number: int, shards: Rows) -> None:
        """Map and check the shards of a store that are not open yet."""
        opened = self._opened[number]
        if opened[shards].all():
            return
        store = self.corpus.stores[number]
        for shard in np.unique(shards[~opened[shards]]).tolist():
            columns = self.corpus.shard_columns(number, shard)
            for name in COLUMNS:
                self._views[number][name][shard] = getattr(columns, name).data
            path = store.path / store.manifest.shards[shard].file
            self._identities[path] = _identity(path)
            opened[shard] = True

    def _check_files(self) -> None:
        """Check that the mapped files still exist and have the same length.

        Reading beyond the end of a mapped file would kill the process. The check takes a
        microsecond per file, and is repeated so rarely that it costs `CHECK_SHARE` of the time.
        """
        began = time.perf_counter()
        if began < self._next_check:
            return
        for path, identity in self._identities.items():
            if _identity(path) != identity:
                raise damaged(path, "it was cut short or replaced while it was in use")
        self._next_check = began + (time.perf_counter() - began) / CHECK_SHARE


def _picker(keys: Sequence[Any]) -> Callable[[Any], Sequence[Any]]:
    """Return a function that returns the items of a sequence at these keys; it runs in C."""
    return itemgetter(*keys) if len(keys) > 1 else lambda items: [items[key] for key in keys]


def _identity(path: Path) -> tuple[int, int]:
    """Return inode and length of a file."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise damaged(path, error) from error
    return found.st_ino, found.st_size
