"""One optimizer step of fine-tuning; the head has its own learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pepland_model.finetune.task_network import Task, TaskNetwork
from pepland_model.run.config import TrainConfig
from pepland_model.train.step import StepResult, WeightUpdater, autocast


class TaskUpdater(WeightUpdater):
    """Run the optimizer steps of fine-tuning.

    Args:
        network: encoder and head, on the device.
        task: the task.
        targets: [G] targets of all peptides, on the device.
        config: the run.
        total: steps of the whole run, for the cosine schedule; a tenth of them may be warm-up.
    """

    def __init__(
        self, network: TaskNetwork, task: Task, targets: Tensor, config: TrainConfig, total: int
    ) -> None:
        head_lr = config.finetune.head_lr
        warmup = min(config.optim.warmup_steps, total // 10)
        optim = replace(config.optim, warmup_steps=warmup)
        super().__init__(network, optim, targets.device, total, head_lr=head_lr)
        self.task, self.targets = task, targets

    def step(self, number: int, parts: Sequence[Any]) -> StepResult:
        """Run one optimizer step.

        Args:
            number: steps done before this one.
            parts: batches of the step.

        Returns:
            A tally of one row: loss sum, 0, and the weight sum by which it is divided.
        """
        self.optimizer.zero_grad(set_to_none=True)
        targets = [self.targets[part.graph_index] for part in parts]
        weight = torch.stack([self.task.weight_sum(t) for t in targets]).sum()
        tally = torch.zeros(1, 3, device=self.device)
        for part, target in zip(parts, targets, strict=True):
            loss = self.task.loss_sum(self.outputs(part), target)
            torch.autograd.backward(loss / weight)
            tally[0, 0] += loss.detach()
        tally[0, 2] = weight
        return StepResult(tally, *self._apply_gradients(number))

    def outputs(self, batch: Any) -> Tensor:
        """Return the head's outputs as float32."""
        with autocast(self.precision, self.device):
            outputs: Tensor = self.network(batch)
        return outputs.float()
