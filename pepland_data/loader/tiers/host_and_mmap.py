"""Where the codes of a batch come from: mapped shards, or one copy of them in memory.

From mapped shards a batch is put together from slices of bytes, joined: no index as long as the
batch is made, a slice cannot reach outside its array, and it does not matter over how many shards
the graphs are spread. From memory it is two calls of Arrow's ``take``, see `tiers.records`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import getitem, itemgetter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pepland_data.batch.byte_layout import COLUMNS, HOME, HOME_OF, Parts, write_ghosts, write_head
from pepland_data.graph.columns import GROUPS
from pepland_data.graph.feature_tables import Recode
from pepland_data.loader.corpus import Corpus
from pepland_data.loader.tiers.records import RecordLayout, Records
from pepland_data.loader.tiers.shard_offsets import Starts
from pepland_data.store.arrow_shards import damaged

Flat = dict[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.int64]
TABLE_OF = {"atom_code": "atom", "fragment_code": "fragment",
            "bond_code": "bond", "reaction_code": "bond"}  # fmt: skip
"""Code column -> the table its codes point into."""
WATCH_SHARE = 0.01
"""Share of the time that looking after mapped files may take."""


class Source(Protocol):
    """Gives the flat columns of chosen graphs, codes of the corpus' tables, indices local."""

    def runs(self, parts: Parts) -> Iterator[tuple[slice, Flat]]:
        """Yield consecutive runs of the batch's graphs and their ten columns."""
        ...


def write_batch(out: Mapping[str, npt.NDArray[Any]], parts: Parts, source: Source) -> None:
    """Write a whole batch into its arrays.

    Args:
        out: views of one block, see `pepland_data.batch.byte_layout.arrays`.
        parts: graphs, sizes and pointers.
        source: where the columns come from.
    """
    write_head(out, parts)
    shift = _shifts(parts)
    for run, flat in source.runs(parts):
        for name, group in COLUMNS.items():
            first, last = parts.ptr[group][run.start], parts.ptr[group][run.stop]
            rows = out[name][first:last]
            if name in HOME:
                np.add(flat[name], shift[group][first:last], out=rows)
            else:
                rows[...] = flat[name]
    write_ghosts(out, parts)


def _shifts(parts: Parts) -> Flat:
    """Return what turns local indices into batch rows. Group -> [rows] int32."""
    first = {group: ptr[:-1].astype(np.int32) for group, ptr in parts.ptr.items()}
    return {group: np.repeat(first[home], parts.sizes[group]) for group, home in HOME_OF.items()}


def _picker(keys: Sequence[Any]) -> Callable[[Any], Sequence[Any]]:
    """Return what picks these items out of a sequence, in C and as often as wanted."""
    return itemgetter(*keys) if len(keys) > 1 else lambda items: [items[key] for key in keys]


def _joined(pieces: Iterable[Any], dtype: Any) -> npt.NDArray[Any]:
    """Return slices of memory one behind the other."""
    return np.frombuffer(b"".join(pieces), dtype)


class HostSource:
    """All graphs of a corpus in memory, narrow as on disk, a record of bytes each.

    Args:
        corpus: the stores.
    """

    def __init__(self, corpus: Corpus) -> None:
        layout = RecordLayout({name: _dtype(corpus, name) for name in COLUMNS})
        self.records = Records(layout, _all_sizes(corpus))
        for number, shard in corpus.shards():
            columns, recode = corpus.shard_columns(number, shard), corpus.recode(number)
            self.records.append(columns if recode is None else columns.recode(recode))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.records.nbytes

    def runs(self, parts: Parts) -> Iterator[tuple[slice, Flat]]:
        """Yield the whole batch as one run."""
        yield slice(0, len(parts.graphs)), self.records.take(parts.graphs, parts.sizes)


def _all_sizes(corpus: Corpus) -> dict[str, npt.NDArray[Any]]:
    """Return group -> rows of each graph of a corpus. [G] uint32."""
    return {
        group: np.concatenate([np.asarray(s.sizes[f"num_{group}s"]) for s in corpus.stores])
        for group in GROUPS
    }


def flat_corpus(corpus: Corpus) -> tuple[Flat, Flat]:
    """Copy a corpus into memory, shard by shard.

    Returns:
        Column -> flat array in the narrowest dtype of the store (codes of the corpus' tables), and
        group -> pointers [G+1] int64.
    """
    ptr: Flat = {}
    for group, sizes in _all_sizes(corpus).items():
        ptr[group] = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])
    dtypes = {name: _dtype(corpus, name) for name in COLUMNS}
    flat = {name: np.empty(ptr[group][-1], dtypes[name]) for name, group in COLUMNS.items()}
    done = 0
    for number, shard in corpus.shards():
        columns = corpus.shard_columns(number, shard)
        for name, group in COLUMNS.items():
            first, last = ptr[group][done], ptr[group][done + len(columns)]
            flat[name][first:last] = recoded(getattr(columns, name), name, corpus.recode(number))
        done += len(columns)
    return flat, ptr


def _dtype(corpus: Corpus, name: str) -> np.dtype[Any]:
    """Return the dtype that holds a column of all stores."""
    widest = max((np.dtype(s.manifest.dtypes[name]) for s in corpus.stores),
                 key=lambda dtype: dtype.itemsize)  # fmt: skip
    if name not in TABLE_OF:
        return widest
    rows = len(getattr(corpus.tables, f"{TABLE_OF[name]}_x"))
    return max(widest, np.min_scalar_type(rows - 1), key=lambda dtype: dtype.itemsize)


def recoded(values: npt.NDArray[Any], name: str, recode: Recode | None) -> npt.NDArray[Any]:
    """Return a column with codes of the corpus' tables."""
    if recode is None or name not in TABLE_OF:
        return values
    table: npt.NDArray[np.int64] = getattr(recode, TABLE_OF[name])
    return table.take(values)


class MappedSource:
    """The shards as they lie on disk, opened and checked when first needed.

    Args:
        corpus: the stores.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._opened = [np.zeros(store.num_shards, bool) for store in corpus.stores]
        self._views = [_no_views(store.num_shards) for store in corpus.stores]
        self._starts = [Starts(store) for store in corpus.stores]
        self._watched: dict[str, tuple[int, int]] = {}
        self._watch_again = 0.0

    def runs(self, parts: Parts) -> Iterator[tuple[slice, Flat]]:
        """Yield one run for each store.

        Raises:
            StoreDamagedError: a shard is cut short, replaced, gone or not what was written.
        """
        owner = self.corpus.owner(parts.graphs)
        for number in np.unique(owner).tolist():
            first, last = np.searchsorted(owner, [number, number + 1]).tolist()
            yield slice(first, last), self._take(number, parts, slice(first, last))

    def _take(self, number: int, parts: Parts, run: slice) -> Flat:
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
        """Look whether the mapped files are still there and as long as they were.

        Reading behind the end of a mapped file would kill the process. Looking takes a microsecond
        a file, and is put off until it costs less than `WATCH_SHARE` of the time.
        """
        began = time.perf_counter()
        if began < self._watch_again:
            return
        for path, identity in self._watched.items():
            if _identity(path) != identity:
                raise damaged_on_the_way(path)
        took = time.perf_counter() - began
        self._watch_again = began + took / WATCH_SHARE


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
    """Return column -> one place a shard for its memoryview, None until it is opened."""
    return {name: [None] * shards for name in COLUMNS}
