"""The message of an edge: relu(x + a of its source - b of its reverse), each taken by index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.gather_sum import gather_sums
from pepland_model.network.kernels.jobs import job
from pepland_model.network.kernels.taken_sum import taken_sum

if TYPE_CHECKING:
    from pepland_model.network.takers import AnyIndex


def message(
    x: Tensor, a: Tensor, b: Tensor, code: AnyIndex, src: AnyIndex, reverse: AnyIndex
) -> Tensor:
    """Return ``relu(x[code] + a[src] - b[reverse])`` in the dtype of a. [L, d].

    One launch, and in the backward pass one, or two with many edges.

    Args:
        x: [T, d].
        a: [K, d].
        b: [M, d].
        code: [L] int, row of x for each edge. Each index comes with its takers without parts,
            which only the gradient needs.
        src: [L] int, row of a.
        reverse: [L] int, row of b.
    """
    indices, takers = zip(code, src, reverse, strict=True)
    return _Message.apply(x, a, b, indices, takers)  # type: ignore[no-any-return, no-untyped-call]


class _Message(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, b: Tensor, indices: Any, takers: Any) -> Tensor:
        out = taken_sum((x, a, b), indices, len(indices[1]), a.dtype, signs=0b100, relu=True)
        ctx.save_for_backward(out)
        ctx.tables = [(table.shape, table.dtype) for table in (x, a, b)]
        ctx.takers = takers
        return out

    @staticmethod
    @once_differentiable  # type: ignore[misc, no-untyped-call, untyped-decorator, unused-ignore]
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        (out,), grad = ctx.saved_tensors, grads[0].contiguous()
        found = [grad.new_empty(shape, dtype=dtype) for shape, dtype in ctx.tables]
        rows = zip(found, ctx.takers, (1, 1, -1), strict=True)
        gather_sums(*(job(grad, to, takers, gate=out, sign=sign) for to, takers, sign in rows))
        return *found, None, None
