"""Batches that are made on a stream of their own while a step runs on another.

The consumer's stream waits for an event on the device; the host waits for nothing. On a CPU the
same steps run without streams.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from pepland_data.batch.hetero_batch import HeteroBatch


@dataclass(frozen=True, eq=False)
class Sent:
    """A batch whose arrays are views of one block, which another stream may still write."""

    batch: HeteroBatch
    ready: Any
    """CUDA event after the last write, None on a CPU."""

    def received(self) -> HeteroBatch:
        """Return the batch for the current stream, which waits for it; the host does not.

        The block was allocated for the other stream. Its memory is used again only after the work
        that the current stream has when the batch is freed.
        """
        if self.ready is not None:
            stream = torch.cuda.current_stream(self.batch.device)
            stream.wait_event(self.ready)
            self.batch.atom_ptr.record_stream(stream)  # stands for the block: never empty
        return self.batch


class SideStream:
    """A stream of a device beside those of its consumers.

    Args:
        device: of the batches.
    """

    def __init__(self, device: torch.device) -> None:
        self.on_gpu = device.type == "cuda"
        """Whether there is a stream; on a CPU there is none."""
        self._stream = torch.cuda.Stream(device) if self.on_gpu else None  # type: ignore[no-untyped-call]

    def make(self, make: Callable[[], HeteroBatch]) -> Sent:
        """Let `make` start its work on the stream, from any thread; return its batch with an event.

        What it allocates belongs to the stream, so temporary arrays need no further care.
        """
        with self.entered():
            batch, ready = make(), None
            if self.on_gpu:
                ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
                ready.record()
        return Sent(batch, ready)

    def entered(self) -> AbstractContextManager[Any]:
        """Return a context in which stream and device are the current ones of the thread."""
        return torch.cuda.stream(self._stream) if self._stream is not None else nullcontext()
