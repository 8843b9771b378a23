"""Graphs as records of bytes, and batches made of them, to measure LMDB and LitData.

A record holds four uint32 sizes (atoms, fragments, bonds, reactions) and the ten columns of codes
and local indices in the dtypes of the store. The batch is identical to that of our loader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pepland_data import GraphStore, HeteroBatch
from pepland_data.batch.arrays import BatchTables
from pepland_data.graph.columns import GROUPS, GraphColumns

SIZES_BYTES = 4 * len(GROUPS)


def records_of(store: GraphStore, start: int, stop: int) -> Iterator[bytes]:
    """Yield the records of graphs start to stop of a store."""
    dtypes = store.manifest.dtypes
    for row in range(start, stop):
        columns = store[row].columns
        sizes = np.array([columns.sizes(group)[0] for group in GROUPS], np.uint32)
        flat = [
            getattr(columns, name).astype(dtypes[name], copy=False).tobytes()
            for names in GROUPS.values()
            for name in names
        ]
        yield b"".join([sizes.tobytes(), *flat])


class RecordReader:
    """Makes batches of records; numpy joins each column in one call.

    Args:
        dtypes: column -> its dtype in a record.
        tables: tables of the store.
    """

    def __init__(self, dtypes: Mapping[str, str], tables: BatchTables) -> None:
        self.tables = tables
        self.columns = [(g, name, np.dtype(dtypes[name])) for g in GROUPS for name in GROUPS[g]]

    def batch(self, taken: Sequence[Any], graphs: Sequence[int]) -> HeteroBatch:
        """Return records (bytes or uint8 arrays) as a batch."""
        sizes = np.stack([np.frombuffer(r, np.uint32, len(GROUPS)) for r in taken]).astype(np.int64)
        parts: dict[str, list[Any]] = {name: [] for _, name, _ in self.columns}
        for record, counts in zip(taken, sizes.tolist(), strict=True):
            size = dict(zip(GROUPS, counts, strict=True))
            at = SIZES_BYTES
            for group, name, dtype in self.columns:
                parts[name].append(np.frombuffer(record, dtype, size[group], at))
                at += size[group] * dtype.itemsize
        flat = {name: np.concatenate(pieces) for name, pieces in parts.items()}
        ends = np.vstack([np.zeros(len(GROUPS), np.int64), sizes.cumsum(0)])
        ptr = {f"{g}_ptr": np.ascontiguousarray(ends[:, i]) for i, g in enumerate(GROUPS)}
        return HeteroBatch.from_columns(GraphColumns(**ptr, **flat), self.tables, graphs)
