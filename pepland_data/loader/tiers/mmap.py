"""The ``mmap`` tier: batches out of the mapped shards.

A batch is put together from slices of bytes, joined: no index as long as the batch is made, a
slice cannot reach outside its array, and it does not matter over how many shards the graphs are
spread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import getitem, itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.batch.byte_layout import COLUMNS, BatchOutline
from pepland_data.graph.columns import GROUPS
from pepland_data.loader.corpus import Corpus
from pepland_data.loader.tiers.shard_offsets import ShardOffsets
from pepland_data.loader.tiers.source import Flat, recoded
from pepland_data.store.arrow_shards import damaged

Rows = npt.NDArray[np.int64]
WATCH_SHARE = 0.01
"""Share of the time that checks of mapped files may take."""


class MmapSource:
    """The shards as they lie on disk, opened and checked when first needed.

    Args:
        corpus: the stores.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._opened = [np.zeros(store.num_shards, bool) for store in corpus.stores]
        self._views = [_no_views(store.num_shards) for store in corpus.stores]
        self._starts = [ShardOffsets(store) for store in corpus.stores]
        self._watched: dict[str, tuple[int, int]] = {}
        self._watch_again = 0.0

    def runs(self, parts: BatchOutline) -> Iterator[tuple[slice, Flat]]:
        """Yield one run for each store.

        Raises:
            StoreDamagedError: a shard is cut short, replaced, gone or not what was written.
        """
        owner = self.corpus.owner(parts.graphs)
        for number in np.unique(owner).tolist():
            first, last = np.searchsorted(owner, [number, number + 1]).tolist()
            yield slice(first, last), self._take(number, parts, slice(first, last))

    def _take(self, number: int, parts: BatchOutline, run: slice) -> Flat:
        store, views = self.corpus.stores[number], self._views[number]
        rows = parts.graphs[run] - self.corpus.start[number]
        shard = np.searchsorted(store.shard_ptr, rows, side="right") - 1
        self._open(number, shard)
        self._watch()
        begins = self._starts[number](rows, shard)
        of_row = _picker(shard.tolist())
        made: Flat = {}
        for group, names in GROUPS.items():
            first = begins[group]
            last = first + parts.sizes[group][run]
            slices = list(map(slice, first.tolist(), last.tolist()))
            for name in names:
                pieces = map(getitem, of_row(views[name]), slices)
                values = _joined(pieces, store.manifest.dtypes[name])
                made[name] = recoded(values, name, self.corpus.recode(number))
        return made

    def _open(self, number: int, shards: Rows) -> None:
        """Map and check those shards of a store that were not needed before."""
        opened = self._opened[number]
        if opened[shards].all():
            return
        store = self.corpus.stores[number]
        for shard in np.unique(shards[~opened[shards]]).tolist():
            columns = self.corpus.shard_columns(number, shard)
            for name in COLUMNS:
                self._views[number][name][shard] = getattr(columns, name).data
            path = store.path / store.manifest.shards[shard].file
            self._watched[str(path)] = _identity(path)
            opened[shard] = True

    def _watch(self) -> None:
        """Check that the mapped files still exist and have the same length.

        Reading beyond the end of a mapped file would kill the process. The check takes a
        microsecond a file, and is put off until it costs less than `WATCH_SHARE` of the time.
        """
        began = time.perf_counter()
        if began < self._watch_again:
            return
        for path, identity in self._watched.items():
            if _identity(path) != identity:
                raise damaged_on_the_way(path)
        took = time.perf_counter() - began
        self._watch_again = began + took / WATCH_SHARE


def _picker(keys: Sequence[Any]) -> Callable[[Any], Sequence[Any]]:
    """Return what picks these items out of a sequence, in C and as often as wanted."""
    return itemgetter(*keys) if len(keys) > 1 else lambda items: [items[key] for key in keys]


def _joined(pieces: Iterable[Any], dtype: Any) -> npt.NDArray[Any]:
    """Return slices of memory, concatenated."""
    return np.frombuffer(b"".join(pieces), dtype)


def damaged_on_the_way(path: Any) -> Exception:
    """Return the error for a file that changed while it was being read."""
    return damaged(path, "it was cut short or replaced while it was in use")


def _identity(path: Any) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise damaged(path, error) from error
    return found.st_ino, found.st_size


def _no_views(shards: int) -> dict[str, list[Any]]:
    """Return column -> one place per shard for its memoryview, None until it is opened."""
    return {name: [None] * shards for name in COLUMNS}
