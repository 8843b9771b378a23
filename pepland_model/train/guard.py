"""Stop before a NaN spreads, and write down which graphs made it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import PeplandError
from pepland_data.files.atomic import write_json
from pepland_model.run.distributed import World
from pepland_model.train.step import StepResult


class NonFiniteError(PeplandError, ArithmeticError):
    """A loss or gradient became NaN or infinite."""


class Guard:
    """Remember the steps since the last check; looking at them waits for the device.

    Args:
        run: run folder.
        world: processes of the run.
        gradients: look at gradients too (not where a scaler skips infinite ones).
        remedy: what to do, the end of the message.
    """

    def __init__(
        self, run: Path, world: World, gradients: bool, remedy: str = "try a lower --lr"
    ) -> None:
        self.run, self.world, self.gradients, self.remedy = run, world, gradients, remedy
        self._steps: deque[tuple[int, int, list[Tensor], Tensor]] = deque()

    def add(self, step: int, epoch: int, parts: Sequence[HeteroBatch], result: StepResult) -> None:
        """Remember a step; nothing is looked at yet."""
        health = result.tally[:, 0].sum()
        if self.gradients:
            health = health + result.gradient_norm
        self._steps.append((step, epoch, [b.graph_index for b in parts], health))

    def check(self) -> None:
        """Raise NonFiniteError for the first bad step since the last check, on all ranks alike."""
        if not self._steps:
            return
        finite = torch.stack([entry[3] for entry in self._steps]).isfinite().tolist()
        if not all(finite):
            self._stop(*list(self._steps)[finite.index(False)][:3])
        self._steps.clear()

    def _stop(self, step: int, epoch: int, graphs: list[Tensor]) -> None:
        numbers = [int(i) for part in graphs for i in part.tolist()]
        name = "nonfinite.json" if self.world.size == 1 else f"nonfinite-{self.world.rank}.json"
        document = {"step": step, "epoch": epoch, "graph_index": numbers}
        write_json(self.run / name, document)
        raise NonFiniteError(
            f"loss or gradient is not finite at step {step}; the graph numbers of its batch are in "
            f"{self.run / name}; {self.remedy}"
        )
