"""One optimizer step of fine-tuning; the head has its own learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pepland_model.finetune.task_network import Task, TaskNetwork
from pepland_model.run.config import TrainConfig
from pepland_model.train.optim import clip_gradients, gradient_norm
from pepland_model.train.schedule import learning_rate
from pepland_model.train.step import StepResult, autocast, pick_precision, trainable


class TaskUpdater:
    """Run optimizer steps; holds the optimizer.

    Args:
        network: on its device; parameters without a gradient do not change.
        task: the task.
        targets: [G] targets of all peptides, on the device.
        config: the run.
        total_steps: steps of the whole run, for the cosine schedule.
    """

    def __init__(
        self, network: TaskNetwork, task: Task, targets: Tensor, config: TrainConfig,
        total_steps: int,
    ) -> None:  # fmt: skip
        self.network, self.task, self.targets = network, task, targets
        self.config, self.total_steps = config, total_steps
        self.device = targets.device
        self.precision = pick_precision(config.optim.precision, self.device)
        self.named = trainable(network)
        self.optimizer = self._optimizer()

    def _optimizer(self) -> torch.optim.Optimizer:
        o, head = self.config.optim, self.config.finetune.head_lr
        groups: dict[tuple[float, float], list[Any]] = {}
        for name, parameter in self.named.items():
            peak = head if name.startswith("head.") else o.lr
            decay = o.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((peak, decay), []).append(parameter)
        cls = torch.optim.AdamW if o.optimizer == "adamw" else torch.optim.Adam
        return cls(
            [{"params": p, "peak": peak, "weight_decay": d} for (peak, d), p in groups.items()],
            foreach=True,
        )

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

    def _apply_gradients(self, number: int) -> tuple[Tensor, float]:
        o = self.config.optim
        lr = 0.0
        for group in self.optimizer.param_groups:
            lr = learning_rate(
                number, group["peak"], o.schedule, o.warmup_steps, self.total_steps,
                o.min_lr_fraction,
            )  # fmt: skip
            group["lr"] = lr
        norm = gradient_norm(self.named.values())
        if self.device.type == "cpu" and not torch.isfinite(norm):
            return norm, lr  # the caller stops the run; the weights are unchanged
        if o.clip:
            clip_gradients(self.named.values(), norm, o.clip)
        self.optimizer.step()
        return norm, lr
