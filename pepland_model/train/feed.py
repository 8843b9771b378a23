"""The batches of each optimizer step, epoch after epoch, and where in them a run is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pepland_data.batch.hetero_batch import HeteroBatch


class Feed:
    """Take the parts of one optimizer step after another from a loader.

    Args:
        loader: this rank's batches of the training graphs.
        accumulate: loader batches an optimizer step.
        steps_per_epoch: optimizer steps an epoch, the same on all ranks; a rank whose loader
            ends earlier takes part with fewer parts, or none.
    """

    def __init__(self, loader: Any, accumulate: int, steps_per_epoch: int) -> None:
        self.loader, self.accumulate, self.steps_per_epoch = loader, accumulate, steps_per_epoch
        self.epoch, self.step_in_epoch = 0, 0
        self.waited_s = 0.0
        self._batches: Iterator[HeteroBatch] | None = None

    def next(self) -> tuple[int, list[HeteroBatch]]:
        """Return the epoch and the parts of the next step; counts the seconds it took."""
        began = time.perf_counter()
        if self.step_in_epoch >= self.steps_per_epoch:
            self._start_epoch(self.epoch + 1)
        if self._batches is None:
            self._batches = iter(self.loader)
        parts: list[HeteroBatch] = []
        for _ in range(self.accumulate):
            batch = next(self._batches, None)
            if batch is not None:
                parts.append(batch)
        self.step_in_epoch += 1
        self.waited_s += time.perf_counter() - began
        return self.epoch, parts

    def _start_epoch(self, epoch: int) -> None:
        self.close()
        self.loader.set_epoch(epoch)
        self.epoch, self.step_in_epoch = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Return epoch, step and loader position as JSON values."""
        return {
            "epoch": self.epoch,
            "step_in_epoch": self.step_in_epoch,
            "loader": self.loader.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, on any number of ranks."""
        self.close()
        self.epoch, self.step_in_epoch = state["epoch"], state["step_in_epoch"]
        self.loader.load_state_dict(state["loader"])

    def close(self) -> None:
        """End the iterator that is open, so that its thread ends too."""
        if self._batches is not None and hasattr(self._batches, "close"):
            self._batches.close()
        self._batches = None
