"""Copies of batches to a device: a ring of pinned blocks that are reused, one copy per batch.

Several threads fill blocks at the same time. The copies run on one stream of their own, during the
step. The consumer's stream waits for them on the device; the host waits only before a pinned block
is written again, and in the loader's threads.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.byte_layout import Shape, arrays, spans, tensors
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.loader.side_stream import Sent, SideStream
from pepland_data.loader.tiers.host_buffers import ROOM


@dataclass(eq=False)
class _Slot:
    block: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.uint8))
    copied: Any = None
    """CUDA event after the last copy out of the block."""


class Uploader:
    """Write batches into a ring of blocks and copy them to a device; any thread may call it.

    Args:
        tables: of the batches; they are on the device.
        slots: blocks in the ring; a thread waits while all of them are being written.
        waited: gets the seconds for which a batch waited for the copy out of its block.
    """

    def __init__(
        self, tables: BatchTables, slots: int, waited: Callable[[float], None] = lambda _: None
    ) -> None:
        self._tables, self._waited = tables, waited
        self._side = SideStream(tables.atom_x.device)
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for _ in range(slots):
            self._free.put(_Slot())

    def upload(self, shape: Shape, write: Callable[[dict[str, npt.NDArray[Any]]], None]) -> Sent:
        """Let `write` fill the arrays of a batch, then start the copy."""
        slot = self._free.get()
        try:
            sent = self._side.make(lambda: self._filled(slot, shape, write))
            slot.copied = sent.ready
            return sent
        finally:
            self._free.put(slot)

    def _filled(
        self, slot: _Slot, shape: Shape, write: Callable[[dict[str, npt.NDArray[Any]]], None]
    ) -> HeteroBatch:
        block = self._block(slot, spans(shape)[1])
        write(arrays(np.asarray(block), shape))
        there = block.to(self._tables.atom_x.device, non_blocking=True, copy=True)
        return HeteroBatch(self._tables, **tensors(there, shape))

    def _block(self, slot: _Slot, nbytes: int) -> Tensor:
        """Return the first bytes of a slot, after the copy out of them."""
        if slot.copied is not None:
            began = time.perf_counter()
            slot.copied.synchronize()
            self._waited(time.perf_counter() - began)
        if len(slot.block) < nbytes:
            pinned = self._side.on_gpu
            slot.block = torch.empty(int(nbytes * ROOM), dtype=torch.uint8, pin_memory=pinned)
        return slot.block[:nbytes]
