"""Stop a run whose loss or gradient is NaN or infinite, and record the graphs of that batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import PeplandError
from pepland_data.files.atomic import write_json
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.loss import LOSS_SUM
from pepland_model.train.step import StepResult


class NonFiniteError(PeplandError, ArithmeticError):
    """A loss or gradient became NaN or infinite."""


class NonFiniteGuard:
    """Collect the results of steps, and check them later: a check makes the host wait.

    Args:
        run: run folder.
        processes: processes of the run.
        gradients: whether to check gradients too; not where a loss scaler skips infinite ones.
        remedy: end of the error message.
    """

    def __init__(self, run: Path, processes: ProcessGroup, gradients: bool, remedy: str) -> None:
        self.run, self.processes, self.gradients, self.remedy = run, processes, gradients, remedy
        self._steps: deque[tuple[int, int, list[Tensor], Tensor]] = deque()

    def add(self, step: int, epoch: int, parts: Sequence[HeteroBatch], result: StepResult) -> None:
        """Collect the result of a step."""
        value = result.tally[:, LOSS_SUM].sum()
        if self.gradients:
            value = value + result.gradient_norm
        self._steps.append((step, epoch, [b.graph_index for b in parts], value))

    def check(self) -> None:
        """Raise NonFiniteError for the first bad step since the last check, on all ranks."""
        if not self._steps:
            return
        finite = torch.stack([entry[3] for entry in self._steps]).isfinite().tolist()
        if not all(finite):
            self._stop(*list(self._steps)[finite.index(False)][:3])
        self._steps.clear()

    def _stop(self, step: int, epoch: int, graphs: list[Tensor]) -> None:
        numbers = [int(i) for part in graphs for i in part.tolist()]
        name = (
            "nonfinite.json"
            if self.processes.size == 1
            else f"nonfinite-{self.processes.rank}.json"
        )
        document = {"step": step, "epoch": epoch, "graph_index": numbers}
        write_json(self.run / name, document)
        raise NonFiniteError(
            f"the loss or gradient is not finite at step {step}; the graph numbers of its batch "
            f"are in {self.run / name}; {self.remedy}"
        )
