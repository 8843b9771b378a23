"""The ``device`` tier: a whole corpus in the memory of one device, where batches are made.

The codes of a graph take about a kilobyte, so a million peptides fit into a consumer GPU in
addition to training. One small copy per batch brings graph numbers, pointers and segments; the rest
is gathers on the device. The host knows all lengths in advance, so nothing waits for the device.

The limit is the number of operations that the host can start, not the bytes they move. Therefore
the segments of all ten columns are numbered together, and padding is one more segment of each. A
batch is one block of bytes, made by about a dozen operations for any number of graphs (counted in a
test). They run on a stream of their own, in the thread of the loader, while a step runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.byte_layout import (
    ALIGNMENT,
    COLUMNS,
    HOME,
    BatchOutline,
    Shape,
    arrays,
    padding_value,
    spans,
    tensors,
    write_head,
)
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GROUPS
from pepland_data.loader.corpus import Corpus
from pepland_data.loader.side_stream import Sent, SideStream
from pepland_data.loader.tiers.host import flat_corpus

SIGNED = {1: np.uint8, 2: np.int16, 4: np.int32, 8: np.int64}
"""Bytes of an item -> the dtype in which torch can index it."""
PADDING = -(2**62)
"""First row of a segment of padding: far below the first row of any column."""
NAMES = tuple(COLUMNS)
NO_ROWS = dict.fromkeys(GROUPS, 0)
SEGMENT_BYTES = 16
"""Begin, size and shift of a segment."""


@dataclass(frozen=True, eq=False)
class Run:
    """Columns with items of one size that follow each other in a batch."""

    names: tuple[str, ...]
    values: Tensor
    """[1 + N] in the narrow dtype of the store: a zero, then the columns one after the other."""
    wraps: bool
    """Whether there are values of 2**15 and more, which are negative in int16."""

    def write(self, out: Tensor, rows: Tensor, shifts: Tensor) -> None:
        """Write the values of some rows plus the shifts. All [K]; `out` and `shifts` are int32."""
        taken = self.values.index_select(0, rows)
        if self.wraps:
            taken = taken.to(torch.int32).bitwise_and_(0xFFFF)
        torch.add(shifts, taken, out=out)


def make_runs(flat: dict[str, npt.NDArray[Any]], device: torch.device) -> list[Run]:
    """Move columns out of `flat` to a device, so that the host does not hold all of them twice."""
    alike = groupby(list(flat), key=lambda name: flat[name].dtype.itemsize)
    return [_make_run(names, flat, device) for names in [tuple(names) for _, names in alike]]


def _make_run(
    names: tuple[str, ...], flat: dict[str, npt.NDArray[Any]], device: torch.device
) -> Run:
    signed = SIGNED[flat[names[0]].dtype.itemsize]
    high = max(int(flat[name].max(initial=0)) for name in names)
    rows, at = 1 + sum(len(flat[name]) for name in names), 1
    values = torch.zeros(rows, dtype=getattr(torch, signed.__name__), device=device)
    for name in names:
        column = torch.from_numpy(flat.pop(name).view(signed))
        values[at : at + len(column)] = column
        at += len(column)
    return Run(names, values, signed is np.int16 and high >= 2**15)


@dataclass(frozen=True, eq=False)
class Segments:
    """Where the items of a batch come from. A segment is one column of one graph, or padding.

    The K + 1 segments of the first column come first; the last of them is its padding, up to the
    first byte of the next column.
    """

    begins: npt.NDArray[np.int64]
    """[10, K+1] int64, first row among the values of a run minus first place in the batch."""
    sizes: npt.NDArray[np.int32]
    """[10, K+1] int32, items of each segment."""
    shifts: npt.NDArray[np.int32]
    """[10, K+1] int32, added to a local index to get the row of the batch; else the padding."""


def write_segments(
    out: Segments,
    outline: BatchOutline,
    corpus_ptr: Mapping[str, npt.NDArray[np.int64]],
    first_rows: Mapping[str, int],
) -> None:
    """Write the segments of a batch.

    Args:
        out: arrays for them.
        outline: graphs, sizes and pointers.
        corpus_ptr: group -> pointers of the whole corpus, [G+1] int64.
        first_rows: column -> its first row among the values of its run.
    """
    places, column = places_of(outline.shape), 0
    for group, names in GROUPS.items():
        begins = corpus_ptr[group][outline.graphs] - outline.ptr[group][:-1]
        for name in names:
            at, end = places[name]
            out.sizes[column, :-1] = outline.sizes[group]
            out.sizes[column, -1] = end - at - outline.ptr[group][-1]
            np.add(begins, first_rows[name] - at, out=out.begins[column, :-1])
            out.shifts[column, :-1] = outline.ptr[HOME[name]][:-1] if name in HOME else 0
            out.shifts[column, -1] = padding_value(name, outline.shape)
            column += 1
    out.begins[:, -1] = PADDING


def places_of(shape: Shape) -> dict[str, tuple[int, int]]:
    """Return column -> its first item among all of the batch, and that of the next column."""
    found, nbytes = spans(shape)
    begins = [found[name][0] // 4 for name in NAMES]
    ends = [*begins[1:], nbytes // 4]
    return {n: (b - begins[0], e - begins[0]) for n, b, e in zip(NAMES, begins, ends, strict=True)}


class DeviceSource:
    """The ten flat arrays of a corpus on a device, in the narrow dtypes of the store.

    Args:
        corpus: the stores.
        tables: of the batches; where they are, the arrays are kept. On a CPU the same steps run,
            for tests.
    """

    def __init__(self, corpus: Corpus, tables: BatchTables) -> None:
        flat, self.ptr = flat_corpus(corpus)
        self.tables, self.device = tables, tables.atom_x.device
        self._side = SideStream(self.device)
        with self._side.entered():
            self.runs = make_runs(flat, self.device)
            self._count = torch.zeros(0, dtype=torch.int64, device=self.device)
        self._first_rows = dict(_first_rows(self.runs, self.ptr))

    @property
    def nbytes(self) -> int:
        """Bytes on the device."""
        return sum(run.values.numel() * run.values.element_size() for run in self.runs)

    def batch(self, outline: BatchOutline) -> Sent:
        """Return a batch, bit-identical to one written by `source.write_batch`."""
        return self._side.make(lambda: self._batch(outline))

    def _batch(self, outline: BatchOutline) -> HeteroBatch:
        places = places_of(outline.shape)
        block, (begins, sizes, shifts) = self._send(outline)
        columns = block[spans(outline.shape)[0][NAMES[0]][0] :].view(torch.int32)
        owner = torch.repeat_interleave(sizes, output_size=len(columns))
        rows = begins.index_select(0, owner).add_(self._numbers(len(columns))).clamp_(min=0)
        shifts = shifts.index_select(0, owner)
        for run in self.runs:
            part = slice(places[run.names[0]][0], places[run.names[-1]][1])
            run.write(columns[part], rows[part], shifts[part])
        return HeteroBatch(self.tables, **tensors(block, outline.shape))

    def _send(self, outline: BatchOutline) -> tuple[Tensor, list[Tensor]]:
        """Copy the segments, graph numbers and pointers to the device in one copy.

        Returns:
            The block of the batch with graph numbers and pointers; begins, sizes and shifts of the
            segments, which are before it in the same memory.
        """
        count = len(NAMES) * (len(outline.graphs) + 1)
        before = -(-SEGMENT_BYTES * count // ALIGNMENT) * ALIGNMENT
        found, nbytes = spans(outline.shape)
        sent = torch.empty(
            before + found[NAMES[0]][0], dtype=torch.uint8, pin_memory=self._side.on_gpu
        )
        segments = Segments(*(p.numpy().reshape(len(NAMES), -1) for p in _parts(sent, count)))
        write_segments(segments, outline, self.ptr, self._first_rows)
        write_head(arrays(sent[before:].numpy(), Shape(outline.shape.graphs, NO_ROWS)), outline)
        whole = torch.empty(before + nbytes, dtype=torch.uint8, device=self.device)
        whole[: len(sent)].copy_(sent, non_blocking=True)
        return whole[before:], _parts(whole, count)

    def _numbers(self, count: int) -> Tensor:
        """Return 0..count-1 from an array that is kept. [count] int64."""
        numbers = self._count  # another thread may replace it
        if len(numbers) < count:
            numbers = self._count = torch.arange(2 * count, device=self.device)
        return numbers[:count]


def _parts(block: Tensor, count: int) -> list[Tensor]:
    """Return begins, sizes and shifts of segments as views of the first bytes of a block."""
    used = block[: SEGMENT_BYTES * count]
    begins, sizes, shifts = torch.split(used, [8 * count, 4 * count, 4 * count])
    return [begins.view(torch.int64), sizes.view(torch.int32), shifts.view(torch.int32)]


def _first_rows(
    runs: list[Run], ptr: Mapping[str, npt.NDArray[np.int64]]
) -> Iterator[tuple[str, int]]:
    for run in runs:
        at = 1
        for name in run.names:
            yield name, at
            at += int(ptr[COLUMNS[name]][-1])
