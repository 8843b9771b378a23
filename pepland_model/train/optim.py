"""The optimizer, its state by parameter name, and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pepland_data.errors import InputError
from pepland_model.run.config import OptimConfig

Named = Mapping[str, nn.Parameter]


def make_optimizer(
    named: Named, options: OptimConfig, fused: bool, head_lr: float | None = None
) -> torch.optim.Optimizer:
    """Return Adam (with weight decay as an L2 penalty, as published) or AdamW.

    Each group has its highest learning rate under ``peak``. Biases have no weight decay.

    Args:
        named: name -> parameter, trainable ones only.
        options: optimizer section of the configuration.
        fused: whether to use the fused kernel of CUDA.
        head_lr: highest learning rate of parameters named ``head.*``; None for that of the others.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        peak = head_lr if head_lr and name.startswith("head.") else options.lr
        decay = options.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((peak, decay), []).append(parameter)
    cls = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    # On a CPU, foreach gives bit-identical results in every process.
    speed: dict[str, Any] = {"fused": True} if fused else {"foreach": True}
    return cls(
        [{"params": p, "peak": peak, "weight_decay": decay} for (peak, decay), p in groups.items()],
        lr=options.lr, **speed,
    )  # fmt: skip


STATE_KEYS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam and AdamW keep for each parameter."""


def optimizer_tensors(optimizer: torch.optim.Optimizer, named: Named) -> dict[str, Tensor]:
    """Return the optimizer state as ``<key>/<parameter name>`` -> tensor."""
    return {
        f"{key}/{name}": torch.as_tensor(value)
        for name, parameter in named.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer_tensors(
    optimizer: torch.optim.Optimizer, named: Named, tensors: Mapping[str, Tensor]
) -> None:
    """Restore the state of `optimizer_tensors`; InputError if a name or shape does not fit."""
    for full_name, value in tensors.items():
        key, _, name = full_name.partition("/")
        parameter = named.get(name)
        if parameter is None or key not in STATE_KEYS:
            raise InputError(
                f"the checkpoint has an optimizer state of {full_name!r}, which this model does "
                "not have; use the configuration of that run"
            )
        shape = () if key == "step" else tuple(parameter.shape)
        if tuple(value.shape) != shape or value.dtype != torch.float32:
            raise InputError(
                f"optimizer state {full_name} is {value.dtype} of shape {tuple(value.shape)}, "
                f"expected torch.float32 of shape {shape}; use the configuration of that run"
            )
        on_host = key == "step" and not optimizer.param_groups[0].get("fused")
        device = torch.device("cpu") if on_host else parameter.device
        optimizer.state[parameter][key] = value.to(device).clone()
    for name, parameter in named.items():
        if set(optimizer.state.get(parameter, STATE_KEYS)) != set(STATE_KEYS):
            raise InputError(f"the optimizer state of {name} is incomplete; delete the checkpoint")


class MovingAverage:
    """Exponential moving average of parameters (Polyak averaging).

    Args:
        named: name -> parameter.
        decay: weight of the old average at each step.
    """

    def __init__(self, named: Named, decay: float) -> None:
        self.decay = decay
        self.named = dict(named)
        self.average = {name: p.detach().clone() for name, p in named.items()}

    @torch.no_grad()
    def update(self, unless: Tensor | None = None) -> None:
        """Update the average with the present weights.

        Args:
            unless: [] bool; where true on the device, the average does not change.
        """
        average, weights = list(self.average.values()), [p.detach() for p in self.named.values()]
        if unless is None:
            torch._foreach_lerp_(average, weights, 1 - self.decay)
            return
        change = torch._foreach_sub(weights, average)
        torch._foreach_mul_(change, torch.where(unless, 0.0, 1 - self.decay))
        torch._foreach_add_(average, change)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange weights and average; a second call undoes it."""
        for name, parameter in self.named.items():
            kept = parameter.detach().clone()
            parameter.copy_(self.average[name])
            self.average[name].copy_(kept)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Load averages by name; KeyError or ValueError if one is missing or of another shape."""
        for name, average in self.average.items():
            if tensors[name].shape != average.shape:
                raise ValueError(f"the average of {name} has shape {tuple(tensors[name].shape)}")
            average.copy_(tensors[name])


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return the L2 norm of all gradients together, as a tensor on their device. [] float32."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)


def clip_gradients(parameters: Iterable[nn.Parameter], norm: Tensor, limit: float) -> None:
    """Scale gradients so that their joint norm is at most `limit`. The host does not wait."""
    torch.nn.utils.clip_grads_with_norm_(list(parameters), limit, norm)


def unscale_gradients(scaler: torch.amp.GradScaler, parameters: Iterable[nn.Parameter]) -> Tensor:
    """Divide gradients by the scale of the loss, as `GradScaler.unscale_` does, on the device.

    Returns:
        [] float32, 1 if a gradient is not finite, else 0.
    """
    assert scaler._scale is not None
    infinite = torch.zeros_like(scaler._scale)
    inverse = scaler._scale.double().reciprocal().float()
    gradients = [p.grad for p in parameters if p.grad is not None]
    torch._amp_foreach_non_finite_check_and_unscale_(gradients, infinite, inverse)
    return infinite


@torch.no_grad()
def update_scale(scaler: torch.amp.GradScaler, infinite: Tensor, unless: Tensor) -> None:
    """Make the scale smaller or larger, as `GradScaler.update` does, on the device.

    Args:
        scaler: has scaled a loss.
        infinite: of `unscale_gradients`.
        unless: [] bool; where true on the device, nothing changes.
    """
    scale, steps = scaler._scale, scaler._growth_tracker
    assert scale is not None
    assert steps is not None
    before = scale.clone(), steps.clone()
    torch._amp_update_scale_(
        scale, steps, infinite, scaler.get_growth_factor(), scaler.get_backoff_factor(),
        scaler.get_growth_interval(),
    )  # fmt: skip
    for now, old in zip((scale, steps), before, strict=True):
        now.copy_(torch.where(unless, old, now))
