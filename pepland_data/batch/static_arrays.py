"""Arrays of fixed length and place, into which batches of any smaller shape are copied.

A recorded program (a CUDA graph) reads its inputs at fixed addresses. `StaticArrays` owns them. A
batch comes in with one operation on the device for all its arrays and the padding after them, and
four more if it has fewer graphs than there is room for.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchArrays, BatchTables
from pepland_data.batch.byte_layout import (
    COLUMNS,
    Shape,
    arrays,
    outline_of,
    spans,
    tensors,
    write_head,
    write_padding,
)
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GROUPS

MULTIPLE = 64
"""Rows of a capacity are a multiple of it."""
POINTERS = tuple(f"{group}_ptr" for group in GROUPS)
NAMES = ("graph_index", *POINTERS, *COLUMNS)


def shape_of(batch: BatchArrays) -> Shape:
    """Return the shape of a batch; no value on the device is read."""
    rows = {group: len(getattr(batch, f"{group}_code")) for group in GROUPS}
    return Shape(batch.num_graphs, rows)


def capacity_for(batch: BatchArrays, slack: float) -> Shape:
    """Return a shape with room for batches like this one.

    Args:
        batch: a batch without padding.
        slack: share of its rows that is added, 0.2 for a fifth more.

    Returns:
        As many graphs, and rows in multiples of 64: at least one more than in the batch.
    """
    shape = shape_of(batch)
    more = {group: rows + max(1, math.ceil(slack * rows)) for group, rows in shape.rows.items()}
    return Shape(shape.graphs, {g: -(-rows // MULTIPLE) * MULTIPLE for g, rows in more.items()})


class StaticArrays:
    """One block of memory with the arrays of a batch of a given capacity, all padding at first.

    Args:
        shape: number of graphs, and rows of each group; atoms and fragments include one spare row.
        tables: tables of the batches.
        device: where the arrays are.
    """

    def __init__(
        self, shape: Shape, tables: BatchTables, device: torch.device | str = "cpu"
    ) -> None:
        self.shape = shape
        self._blank = _views(_blank_block(shape).to(device), shape)
        """All padding: where it is copied from."""
        block = _blank_block(shape).to(device)
        self.batch = HeteroBatch(tables.to(device), **tensors(block, shape))
        """The arrays; `fill` changes their values, never their place."""
        self._views = _views(block, shape)
        self._used = dict.fromkeys(NAMES, 0)
        """Length of each array in the batch before, as int32."""

    def fits(self, batch: BatchArrays) -> bool:
        """Return whether there is room for a batch and one spare atom and fragment."""
        shape = shape_of(batch)
        spare = {"atom": 1, "fragment": 1}
        return shape.graphs <= self.shape.graphs and all(
            rows + spare.get(group, 0) <= self.shape.rows[group]
            for group, rows in shape.rows.items()
        )

    def fill(self, batch: BatchArrays) -> None:
        """Copy a batch into the arrays and make the rest padding, on the current stream.

        The result is bit-identical to the batch of a loader with static shapes of this shape. The
        host waits for nothing. Only the rows between the end of this batch and of the one before
        are made padding.

        Args:
            batch: without padding, with the tables of the arrays and on their device; from another
                device each array is one copy.

        Raises:
            ValueError: the batch does not fit.
        """
        if not self.fits(batch):
            raise ValueError(f"{shape_of(batch)} does not fit into {self.shape}; see `fits`")
        into, out_of = [], []
        for name in NAMES:
            part, view, blank = _narrow(getattr(batch, name)), self._views[name], self._blank[name]
            end, used = len(part), self._used[name]
            into += [view[:end], view[end:used]] if end < used else [view[:end]]
            out_of += [part, blank[end:used]] if end < used else [part]
            self._used[name] = end
        torch._foreach_copy_(into, out_of, non_blocking=True)
        if batch.num_graphs < self.shape.graphs:
            self._end_pointers(batch)

    def _end_pointers(self, batch: BatchArrays) -> None:
        """Let the graphs that the batch does not have begin and end where its last graph ends."""
        for name in POINTERS:
            getattr(self.batch, name)[batch.num_graphs + 1 :] = getattr(batch, name)[-1]


def _blank_block(shape: Shape) -> Tensor:
    """Return the block of a batch that is all padding. [nbytes] uint8."""
    block = np.zeros(spans(shape)[1], np.uint8)
    out, outline = arrays(block, shape), outline_of(np.zeros(0, np.int64), {}, shape)
    write_head(out, outline)
    write_padding(out, outline)
    return torch.from_numpy(block)


def _views(block: Tensor, shape: Shape) -> dict[str, Tensor]:
    return {name: _narrow(array) for name, array in tensors(block, shape).items()}


def _narrow(array: Tensor) -> Tensor:
    """Return an array as int32, as one operation copies arrays of one dtype; an int64 is two."""
    return array.view(torch.int32)
