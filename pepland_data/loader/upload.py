"""Copies of batches to a device: a ring of pinned blocks that are reused, one copy per batch.

The copy runs on its own stream, during the step. The consumer's stream waits for it on the
device; the host waits only before a pinned block is written again, and in the loader's thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_data.batch.byte_layout import Shape, arrays, spans, tensors
from pepland_data.loader.tiers.host_buffers import ROOM


@dataclass(eq=False)
class _Slot:
    block: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.uint8))
    copied: Any = None
    """CUDA event after the last copy out of the block."""


@dataclass(frozen=True, eq=False)
class Uploaded:
    """A batch whose copy to the device has been started."""

    block: Tensor
    """[nbytes] uint8."""
    shape: Shape
    copied: Any
    """CUDA event after the copy, None on a CPU."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the arrays; the current stream waits for the copy, the host does not."""
        if self.copied is not None:
            stream = torch.cuda.current_stream(self.block.device)
            stream.wait_event(self.copied)
            self.block.record_stream(stream)
        return tensors(self.block, self.shape)


class Uploader:
    """Write batches into a ring of blocks and copy them to a device.

    Args:
        device: target; on a CPU the same steps run without streams, for tests.
        slots: blocks in the ring.
    """

    def __init__(self, device: torch.device, slots: int) -> None:
        self.device, self._cuda = device, device.type == "cuda"
        self._slots = [_Slot() for _ in range(slots)]
        self._next, self._lock = 0, threading.Lock()
        self._stream = torch.cuda.Stream(device) if self._cuda else None  # type: ignore[no-untyped-call]
        self.waited_s = 0.0
        """Seconds in which writing waited for copies out of the ring."""

    def upload(
        self, shape: Shape, write: Callable[[dict[str, npt.NDArray[Any]]], None]
    ) -> Uploaded:
        """Let `write` fill the arrays of a batch, then start the copy; one thread at a time."""
        # A new thread uses the first GPU, and the batch may belong to another one.
        here = torch.cuda.device(self.device) if self._cuda else nullcontext()
        with self._lock, here:
            return self._upload(shape, write)

    def _upload(
        self, shape: Shape, write: Callable[[dict[str, npt.NDArray[Any]]], None]
    ) -> Uploaded:
        slot = self._slots[self._next]
        self._next = (self._next + 1) % len(self._slots)
        self._free(slot)
        _, nbytes = spans(shape)
        if len(slot.block) < nbytes:
            slot.block = torch.empty(int(nbytes * ROOM), dtype=torch.uint8, pin_memory=self._cuda)
        block = slot.block[:nbytes]
        write(arrays(np.asarray(block), shape))
        if self._stream is None:
            return Uploaded(block.clone(), shape, None)
        with torch.cuda.stream(self._stream):
            there = block.to(self.device, non_blocking=True)
            slot.copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            slot.copied.record(self._stream)
        return Uploaded(there, shape, slot.copied)

    def _free(self, slot: _Slot) -> None:
        if slot.copied is not None:
            began = time.perf_counter()
            slot.copied.synchronize()
            self.waited_s += time.perf_counter() - began
