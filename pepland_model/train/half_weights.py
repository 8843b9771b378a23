"""Weights in 16 bits, cast once for all layers that use them.

Autocast casts a weight wherever it is used, and its gradient again: two small operations each. Here
all weights of a network are cast in one, and all gradients in another.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


class _Cast(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return tuple(cast(weights, dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        found = iter(cast([grad for grad in grads if grad is not None], torch.float32))
        return None, *(grad if grad is None else next(found) for grad in grads)


def cast(tensors: Any, dtype: torch.dtype) -> list[Tensor]:
    """Return tensors in another dtype, in one operation."""
    found = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
    if found:
        torch._foreach_copy_(found, list(tensors))
    return found


def called(network: nn.Module, *args: Any) -> Any:
    """Return ``network(*args)``, inside of autocast with all float32 weights cast at once.

    The weights themselves stay float32, as do their gradients.
    """
    weights = {n: p for n, p in network.named_parameters() if p.requires_grad}
    weights = {n: p for n, p in weights.items() if p.dtype == torch.float32}
    kinds = {p.device.type for p in weights.values()}
    if not any(map(torch.is_autocast_enabled, kinds)):
        return network(*args)
    dtype = torch.get_autocast_dtype(kinds.pop())
    halves = _Cast.apply(dtype, *weights.values())  # type: ignore[no-untyped-call]
    return functional_call(network, dict(zip(weights, halves, strict=True)), args)
