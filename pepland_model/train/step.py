"""One optimizer step: forward, loss over global counts, backward, sum over ranks, update.

On CUDA the host does not wait for the device: results stay tensors until they are logged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pepland_model.network.states.rooms import Rooms
from pepland_model.run.config import OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.half_weights import called
from pepland_model.train.loss import TERMS, pretrain_tally, total_loss
from pepland_model.train.mask import IGNORE, Masked
from pepland_model.train.optim import MovingAverage, clip_gradients, gradient_norm, make_optimizer
from pepland_model.train.pretrain_network import PretrainNetwork
from pepland_model.train.schedule import learning_rate


@dataclass(frozen=True, eq=False)
class StepResult:
    """The results of a step over all ranks and parts, on the device."""

    tally: Tensor
    """[3, 3] float32: rows atom, fragment, bond; columns loss sum, correct, masked."""
    gradient_norm: Tensor
    """[] float32, before clipping."""
    lr: float
    """Learning rate of the step."""


def pick_precision(name: str, device: torch.device) -> str:
    """Return the precision, with ``auto`` resolved: bf16 on a GPU that supports it, else fp32."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Return the context in which a forward pass runs with a precision."""
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    if precision not in kinds:
        return nullcontext()
    return torch.autocast(device.type, dtype=kinds[precision])


class WeightUpdater:
    """Update the weights of a network; holds the optimizer, the loss scaler and the average.

    Args:
        network: on its device; parameters without a gradient do not change.
        options: optimizer section of the configuration.
        device: device of the network.
        total_steps: steps of the whole run, for the cosine schedule.
        fused: whether to use the fused optimizer of CUDA.
        head_lr: see `make_optimizer`.
    """

    def __init__(
        self, network: nn.Module, options: OptimConfig, device: torch.device, total_steps: int,
        fused: bool = False, head_lr: float | None = None,
    ) -> None:  # fmt: skip
        self.network, self.options, self.device = network, options, device
        self.total_steps = total_steps
        self.precision = pick_precision(options.precision, device)
        self.named = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.optimizer = make_optimizer(self.named, options, fused, head_lr)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.average = MovingAverage(self.named, options.ema) if options.ema else None

    def learning_rates(self, number: int) -> list[float]:
        """Return the learning rate of each group of parameters in step `number`."""
        o = self.options
        return [
            learning_rate(
                number, group["peak"], o.schedule, o.warmup_steps, self.total_steps,
                o.min_lr_fraction,
            )
            for group in self.optimizer.param_groups
        ]  # fmt: skip

    def _apply_gradients(self, number: int) -> tuple[Tensor, float]:
        """Update the weights in step `number`; return gradient norm and last learning rate."""
        o, rates = self.options, self.learning_rates(number)
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        lr = rates[-1]
        self.scaler.unscale_(self.optimizer)
        norm = gradient_norm(self.named.values())
        stops = self.device.type == "cpu" and not self.scaler.is_enabled()
        if stops and not torch.isfinite(norm):
            return norm, lr  # the caller stops the run; the weights are unchanged
        if o.clip:
            clip_gradients(self.named.values(), norm, o.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update()
        return norm, lr


class PretrainUpdater(WeightUpdater):
    """Run the optimizer steps of pre-training.

    Args:
        network: encoder and heads, on the device.
        options: optimizer section of the configuration.
        processes: processes of the run.
        total: steps of the whole run, for the cosine schedule.
    """

    def __init__(
        self, network: PretrainNetwork, options: OptimConfig, processes: ProcessGroup, total: int
    ) -> None:
        device = processes.device
        super().__init__(network, options, device, total, fused=device.type == "cuda")
        self.processes = processes
        torch.backends.cuda.matmul.allow_tf32 = self.precision == "tf32"

    def step(self, number: int, parts: Sequence[Masked]) -> StepResult:
        """Run one optimizer step.

        Args:
            number: steps done before this one.
            parts: share of the global batch for this process, in one or more parts; may be empty.
        """
        self.optimizer.zero_grad(set_to_none=True)
        counts = self.processes.sum(self.counts(parts))
        tally = torch.zeros(len(TERMS), 3, device=self.device)
        for masked in parts:
            if masked.batch.num_graphs:
                part = self.tally(masked)
                torch.autograd.backward(self.scaler.scale(total_loss(part, counts)))
                tally += part.detach()
        tally = self.processes.sum_gradients(self.named.values(), tally)
        return StepResult(tally, *self._apply_gradients(number))

    def try_part(self, masked: Masked) -> None:
        """Run forward and backward pass of a part without an update, to see if it fits."""
        self.optimizer.zero_grad(set_to_none=True)
        total = total_loss(self.tally(masked), self.counts([masked]))
        torch.autograd.backward(self.scaler.scale(total))
        self.optimizer.zero_grad(set_to_none=True)

    def counts(self, parts: Iterable[Masked]) -> Tensor:
        """Return the masked nodes of each term in some parts. [3] float32."""
        counts = torch.zeros(len(TERMS), device=self.device)
        for masked in parts:
            targets = (masked.atom_target, masked.fragment_masked, masked.bond_target)
            hidden = [t if t.dtype == torch.bool else t != IGNORE for t in targets]
            counts += torch.stack([h.sum() for h in hidden])
        return counts

    def tally(self, masked: Masked, rooms: Rooms | None = None) -> Tensor:
        """Return the tally of a part, see `pretrain_tally`; rooms as for the network."""
        with autocast(self.precision, self.device):
            args = masked, rooms
            terms = self.network(*args) if rooms is None else called(self.network, *args)
        return pretrain_tally(terms)
