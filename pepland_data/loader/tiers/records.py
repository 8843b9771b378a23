"""All graphs of a corpus in memory, each as one record of bytes, and batches taken from them.

A record is the ten columns of a graph, concatenated. A graph at a random place then costs a few
adjacent cache lines instead of ten places far apart. One ``take`` of Arrow copies the records of a
batch, and a second one sorts their segments by column; a segment is one column of one graph. Both
are loops in C that check their bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.graph.columns import GROUPS, GraphColumns
from pepland_data.loader.tiers.segments import Bytes, Rows, binary, taken
from pepland_data.loader.tiers.source import Flat


class RecordLayout:
    """Order of the columns in a record: the widest first, so that all are aligned.

    Args:
        dtypes: column -> dtype in a record.
    """

    def __init__(self, dtypes: Mapping[str, npt.DTypeLike]) -> None:
        of_group = {name: group for group, names in GROUPS.items() for name in names}
        self.dtypes = {name: np.dtype(dtypes[name]) for name in of_group}
        self.names = sorted(of_group, key=lambda name: -self.dtypes[name].itemsize)
        self.groups = [of_group[name] for name in self.names]
        self.widths: Rows = np.array([self.dtypes[name].itemsize for name in self.names])

    def segment_bytes(self, sizes: Mapping[str, npt.NDArray[np.integer[Any]]]) -> Rows:
        """Return the bytes of each column of each graph. [K, 10] int64.

        Args:
            sizes: group -> rows of each graph, [K] int.
        """
        rows = [np.asarray(sizes[group]) for group in self.groups]
        counts: Rows = np.stack(rows, axis=1).astype(np.int64)
        return counts * self.widths

    def pack(self, columns: GraphColumns) -> Bytes:
        """Return graphs as concatenated records. [bytes] uint8."""
        lengths = self.segment_bytes({group: columns.sizes(group) for group in GROUPS})
        flat = [np.asarray(getattr(columns, n)).astype(self.dtypes[n]) for n in self.names]
        joined = np.concatenate([array.view(np.uint8) for array in flat])
        by_graph = np.arange(lengths.size).reshape(lengths.T.shape).T
        return _reordered(joined, lengths.T.ravel(), by_graph.ravel())

    def unpack(self, records: Bytes, lengths: Rows) -> Flat:
        """Return the flat columns of concatenated records.

        Args:
            records: [bytes] uint8.
            lengths: [K, 10] int64, see `segment_bytes`.
        """
        by_column = np.arange(lengths.size).reshape(lengths.shape).T
        return self.split(_reordered(records, lengths.ravel(), by_column.ravel()), lengths)

    def split(self, joined: Bytes, lengths: Rows) -> Flat:
        """Return the flat columns of bytes that are sorted by column, as views.

        Args:
            joined: [bytes] uint8.
            lengths: [K, 10] int64, see `segment_bytes`.
        """
        columns = np.split(joined, np.cumsum(lengths.sum(0))[:-1])
        return {n: c.view(self.dtypes[n]) for n, c in zip(self.names, columns, strict=True)}


class Records:
    """Records of many graphs: appended shard by shard, then taken in any order.

    Args:
        layout: order and dtypes of the columns in a record.
        sizes: group -> rows of each graph, [G] int.
    """

    def __init__(
        self, layout: RecordLayout, sizes: Mapping[str, npt.NDArray[np.integer[Any]]]
    ) -> None:
        self.layout, self.filled = layout, 0
        self.ptr = _pointers(layout.segment_bytes(sizes).sum(1))
        self.bytes = np.empty(self.ptr[-1], np.uint8)
        self._array = binary(self.bytes, self.ptr)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.bytes.nbytes + self.ptr.nbytes

    def append(self, columns: GraphColumns) -> None:
        """Write the next graphs, which must have the sizes given at the beginning."""
        stop = self.filled + len(columns)
        self.bytes[self.ptr[self.filled] : self.ptr[stop]] = self.layout.pack(columns)
        self.filled = stop

    def take(self, graphs: Rows, sizes: Mapping[str, Rows]) -> Flat:
        """Return the flat columns of some graphs, in the given order.

        Args:
            graphs: [K] int64; IndexError outside 0..G-1.
            sizes: group -> rows of each of these graphs, [K] int64.
        """
        return self.layout.unpack(taken(self._array, graphs), self.layout.segment_bytes(sizes))


def _pointers(lengths: Rows) -> Rows:
    ptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ptr[1:])
    return ptr


def _reordered(data: Bytes, lengths: Rows, order: Rows) -> Bytes:
    """Return concatenated segments of bytes in another order."""
    return taken(binary(data, _pointers(lengths)), order)
