"""The ``device`` tier: a whole corpus in the memory of one device, where batches are made.

The codes of a graph take about a kilobyte, so a million peptides fit into a consumer GPU in
addition to training. One small copy per batch brings graph numbers and pointers; the rest is
gathers on the device. The host knows all lengths in advance, so nothing waits for the device.

The limit is the number of operations that the host can start, not the bytes they move. Therefore
the segments of all four groups are numbered together, and columns that are treated alike form one
block: a batch is twenty operations on the device, for any number of graphs (counted in a test).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.byte_layout import (
    COLUMNS,
    HOME,
    HOME_OF,
    BatchOutline,
    padding_value,
    write_head,
)
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GROUPS
from pepland_data.loader.corpus import Corpus
from pepland_data.loader.tiers.host import flat_corpus

SIGNED = {1: np.uint8, 2: np.int16, 4: np.int32, 8: np.int64}
"""Bytes of an item -> the dtype in which torch can index it."""


@dataclass(frozen=True, eq=False)
class Block:
    """Columns of a group that have one dtype and are all indices, or all codes."""

    names: tuple[str, ...]
    values: Tensor
    """[k, N], in the narrow dtype of the store."""
    indices: bool
    """Whether the values are indices of rows."""
    wraps: bool
    """Whether there are values of 2**15 and more, which are negative in int16."""

    def take(self, rows: Tensor, shifts: Tensor) -> Tensor:
        """Return rows of all columns; indices are shifted. [k, K] int32."""
        taken = self.values.index_select(1, rows)
        if self.wraps:
            taken = taken.to(torch.int32) & 0xFFFF
        return shifts + taken if self.indices else taken.to(torch.int32)


def make_block(names: list[str], flat: dict[str, npt.NDArray[Any]], device: torch.device) -> Block:
    """Move columns out of `flat` to a device, so that the host does not hold all of them twice."""
    signed = SIGNED[flat[names[0]].dtype.itemsize]
    rows, high = len(flat[names[0]]), max(int(flat[name].max(initial=0)) for name in names)
    values = torch.empty((len(names), rows), dtype=getattr(torch, signed.__name__), device=device)
    for place, name in enumerate(names):
        values[place] = torch.from_numpy(flat.pop(name).view(signed))
    return Block(tuple(names), values, names[0] in HOME, signed is np.int16 and high >= 2**15)


@dataclass(frozen=True, eq=False)
class Segments:
    """Where the rows of a batch come from and go to. A segment is the rows of a group in a graph.

    The K segments of the first group come first, then those of the second, and so on; so do rows.
    """

    sizes: npt.NDArray[np.int64]
    """[4 K] int64, rows of each segment."""
    begins: npt.NDArray[np.int64]
    """[4 K] int64, first row in the corpus minus first row among all rows of the batch."""
    shifts: npt.NDArray[np.int32]
    """[4 K] int32, added to a local index to get the row of the batch."""
    totals: list[int]
    """Rows of each group."""


def segments_of(outline: BatchOutline, corpus_ptr: Mapping[str, npt.NDArray[np.int64]]) -> Segments:
    """Return the segments of a batch.

    Args:
        outline: graphs, sizes and pointers.
        corpus_ptr: group -> pointers of the whole corpus, [G+1] int64.
    """
    totals = [int(outline.ptr[group][-1]) for group in GROUPS]
    before = np.cumsum([0, *totals])
    begins = [
        corpus_ptr[group][outline.graphs] - outline.ptr[group][:-1] - start
        for group, start in zip(GROUPS, before[:-1], strict=True)
    ]
    none = np.zeros(len(outline.graphs), np.int32)
    shifts = [
        outline.ptr[HOME_OF[group]][:-1].astype(np.int32) if group in HOME_OF else none
        for group in GROUPS
    ]
    sizes = [outline.sizes[group] for group in GROUPS]
    return Segments(np.concatenate(sizes), np.concatenate(begins), np.concatenate(shifts), totals)


class DeviceSource:
    """The ten flat arrays of a corpus on a device, in the narrow dtypes of the store.

    Args:
        corpus: the stores.
        device: where the arrays are kept; on a CPU the same steps run, for tests.
    """

    def __init__(self, corpus: Corpus, device: torch.device) -> None:
        flat, self.ptr = flat_corpus(corpus)
        self.device = device
        self.blocks: dict[str, list[Block]] = {}
        for group, names in GROUPS.items():
            alike: dict[Any, list[str]] = {}
            for name in names:
                alike.setdefault((flat[name].dtype, name in HOME), []).append(name)
            self.blocks[group] = [make_block(some, flat, device) for some in alike.values()]
        self._count = torch.zeros(0, dtype=torch.int64, device=device)

    @property
    def nbytes(self) -> int:
        """Bytes on the device."""
        values = [block.values for blocks in self.blocks.values() for block in blocks]
        return sum(v.numel() * v.element_size() for v in values)

    def batch(self, outline: BatchOutline, tables: BatchTables) -> HeteroBatch:
        """Return a batch, bit-identical to one written by `source.write_batch`."""
        segments = segments_of(outline, self.ptr)
        made, sizes, begins, shifts = self._send(outline, segments)
        total = sum(segments.totals)
        owner = torch.repeat_interleave(sizes, output_size=total)
        rows = begins.index_select(0, owner).add_(self._numbers(total))
        shifts = shifts.index_select(0, owner)
        split = zip(
            torch.split(rows, segments.totals), torch.split(shifts, segments.totals), strict=True
        )
        for blocks, (some, shift) in zip(self.blocks.values(), split, strict=True):
            for block in blocks:
                taken = _padded(block.take(some, shift), block.names[0], outline)
                made.update(zip(block.names, taken.unbind(), strict=True))
        return HeteroBatch(tables, **made)

    def _send(
        self, outline: BatchOutline, segments: Segments
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        """Copy graph numbers and pointers, and the segments, to the device in one copy.

        Returns:
            Graph numbers and pointers by name; sizes, begins and shifts of the segments.
        """
        heads = ["graph_index", *(f"{group}_ptr" for group in GROUPS)]
        count = len(segments.sizes)
        lengths = [outline.shape.graphs, *[outline.shape.graphs + 1] * len(GROUPS)]
        lengths += [count, count, -(-count // 2)]
        sent = torch.empty(sum(lengths), dtype=torch.int64, pin_memory=self.device.type == "cuda")
        *out, sizes, begins, shifts = (part.numpy() for part in torch.split(sent, lengths))
        write_head(dict(zip(heads, out, strict=True)), outline)
        sizes[:], begins[:] = segments.sizes, segments.begins
        shifts.view(np.int32)[:count] = segments.shifts
        there = torch.split(sent.to(self.device, non_blocking=True), lengths)
        head = dict(zip(heads, there, strict=False))
        return head, there[-3], there[-2], there[-1].view(torch.int32)[:count]

    def _numbers(self, count: int) -> Tensor:
        """Return 0..count-1 from an array that is kept. [count] int64."""
        if len(self._count) < count:
            self._count = torch.arange(2 * count, device=self.device)
        return self._count[:count]


def _padded(values: Tensor, name: str, outline: BatchOutline) -> Tensor:
    missing = outline.shape.rows[COLUMNS[name]] - values.shape[1]
    if not missing:
        return values
    return torch.nn.functional.pad(values, (0, missing), value=padding_value(name, outline.shape))
