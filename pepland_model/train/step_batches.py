"""The batches of each optimizer step, over all epochs, with a position to resume from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from pepland_data.batch.hetero_batch import HeteroBatch


class StepBatches:
    """Group the batches of a loader into optimizer steps.

    Args:
        loader: batches of the training graphs for this process.
        accumulate: batches per optimizer step.
        steps_per_epoch: optimizer steps per epoch, the same on all ranks. A rank whose loader ends
            earlier has fewer batches in its last steps, or none.
    """

    def __init__(self, loader: Any, accumulate: int, steps_per_epoch: int) -> None:
        self.loader, self.accumulate, self.steps_per_epoch = loader, accumulate, steps_per_epoch
        self.epoch, self.step_in_epoch = 0, 0
        self.waited_s = 0.0
        self._batches: Iterator[HeteroBatch] | None = None

    def next(self) -> tuple[int, list[HeteroBatch]]:
        """Return the epoch and the batches of the next step; add the time to `waited_s`."""
        began = time.perf_counter()
        if self.step_in_epoch >= self.steps_per_epoch:
            self._start_epoch(self.epoch + 1)
        if self._batches is None:
            self._batches = iter(self.loader)
        parts = list(islice(self._batches, self.accumulate))
        self.step_in_epoch += 1
        self.waited_s += time.perf_counter() - began
        return self.epoch, parts

    def _start_epoch(self, epoch: int) -> None:
        self.close()
        self.loader.set_epoch(epoch)
        self.epoch, self.step_in_epoch = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Return the position as JSON values."""
        return {
            "epoch": self.epoch,
            "step_in_epoch": self.step_in_epoch,
            "loader": self.loader.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a position of `state_dict`, also one of another number of ranks."""
        self.close()
        self.epoch, self.step_in_epoch = state["epoch"], state["step_in_epoch"]
        self.loader.load_state_dict(state["loader"])

    def close(self) -> None:
        """Close the open iterator, which ends its thread."""
        if self._batches is not None and hasattr(self._batches, "close"):
            self._batches.close()
        self._batches = None
