"""The ``host`` tier: all graphs of a corpus in memory, in the narrow dtypes of the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.batch.byte_layout import COLUMNS, BatchOutline
from pepland_data.graph.columns import GROUPS
from pepland_data.loader.corpus import Corpus, Rows
from pepland_data.loader.tiers.records import RecordLayout, Records
from pepland_data.loader.tiers.source import TABLE_OF, Flat, recoded


class HostSource:
    """All graphs of a corpus in memory, each as one record of bytes.

    Args:
        corpus: the stores.
    """

    def __init__(self, corpus: Corpus) -> None:
        layout = RecordLayout({name: _dtype(corpus, name) for name in COLUMNS})
        self.records = Records(layout, _all_sizes(corpus))
        for number, shard in corpus.shards():
            columns, recode = corpus.shard_columns(number, shard), corpus.recodes[number]
            self.records.append(columns if recode is None else columns.recode(recode))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.records.nbytes

    def prepare(self, graphs: Rows) -> None:
        """Do nothing: all graphs are in memory."""

    def runs(self, outline: BatchOutline) -> Iterator[tuple[slice, Flat]]:
        """Yield the whole batch as one run of graphs."""
        yield slice(0, len(outline.graphs)), self.records.take(outline.graphs, outline.sizes)


def _all_sizes(corpus: Corpus) -> dict[str, npt.NDArray[Any]]:
    """Return group -> rows of each graph of a corpus. [G] uint32."""
    return {
        group: np.concatenate([np.asarray(s.sizes[f"num_{group}s"]) for s in corpus.stores])
        for group in GROUPS
    }


def flat_corpus(corpus: Corpus) -> tuple[Flat, Flat]:
    """Copy a corpus into memory, shard by shard.

    Returns:
        Column -> flat array in the narrowest dtype that holds it (codes are those of the tables of
        the corpus), and group -> pointers, [G+1] int64.
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
            flat[name][first:last] = recoded(getattr(columns, name), name, corpus.recodes[number])
        done += len(columns)
    return flat, ptr


def _dtype(corpus: Corpus, name: str) -> np.dtype[Any]:
    """Return the dtype that holds a column of every store."""
    widest = max((np.dtype(s.manifest.dtypes[name]) for s in corpus.stores),
                 key=lambda dtype: dtype.itemsize)  # fmt: skip
    if name not in TABLE_OF:
        return widest
    rows = len(getattr(corpus.tables, f"{TABLE_OF[name]}_x"))
    return max(widest, np.min_scalar_type(rows - 1), key=lambda dtype: dtype.itemsize)
