"""Sums and softmax over sorted segments, and rows taken by index, with their gradients.

Taking rows and summing them are each other's gradient. On a CPU every run gives bit-identical
results. On CUDA the same follows by construction, as no sum of floats is atomic: the forward pass
sums sorted segments, and the backward pass sums over `takers`. Nothing here waits for the device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from pepland_model.network import takers as by_takers
from pepland_model.network.takers import Takers, sorted_takers, takers_of

HALF = (torch.float16, torch.bfloat16)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, takers: Takers) -> Tensor:
        ctx.save_for_backward(index)
        ctx.takers = takers
        return takers.sum(rows)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return _Take.apply(grads[0], index, ctx.takers), None, None  # type: ignore[no-untyped-call]


class _Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, takers: Takers) -> Tensor:
        ctx.save_for_backward(index)
        ctx.takers = takers
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        half = grads[0].dtype in HALF and not ctx.takers.sums_wide(grads[0])
        wide = grads[0].float() if half else grads[0]
        total = _Sum.apply(wide, index, ctx.takers)  # type: ignore[no-untyped-call]
        return total.to(grads[0].dtype), None, None


class _TakeHalf(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.num_rows = len(rows)
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        # A table row is taken thousands of times. In 16 bits the sum would stop growing early.
        wide = torch.ops.aten.embedding_dense_backward(
            grads[0].float(), index, ctx.num_rows, -1, False
        )
        return wide.to(grads[0].dtype), None


def segment_sum(rows: Tensor, ptr: Tensor, dst: Tensor, takers: Takers | None = None) -> Tensor:
    """Return the sum of the rows of each segment in at least float32; zero for an empty segment.

    Args:
        rows: [E, d]; the rows of a segment follow each other.
        ptr: [N+1] int64, segment v is ``ptr[v]`` to ``ptr[v+1]``.
        dst: [E] int64, the segment of each row.
        takers: of `dst`, if they were computed before.

    Returns:
        [N, d].
    """
    wide = rows if rows.dtype == torch.float64 else rows.float()
    takers = takers or sorted_takers(ptr, len(rows))
    return _Sum.apply(wide, dst, takers)  # type: ignore[no-any-return, no-untyped-call]


def take(rows: Tensor, index: Tensor | None, takers: Takers | None = None) -> Tensor:
    """Return ``rows[index]``.

    The gradient is summed in at least float32, in the order of `takers`.

    Args:
        rows: [S, d].
        index: [E] int64; None means all rows.
        takers: of each row. Without them, entries are added one after the other on a CPU; on
            another device, they are sorted here.
    """
    if index is None:
        return rows
    if takers is None and rows.requires_grad and rows.device.type in by_takers.DEVICES:
        takers = takers_of(index, len(rows))
    if takers is not None:
        return _Take.apply(rows, index, takers)  # type: ignore[no-any-return, no-untyped-call]
    if rows.dtype in HALF:
        return _TakeHalf.apply(rows, index)  # type: ignore[no-any-return, no-untyped-call]
    return embedding(index, rows)


def segment_softmax(
    score: Tensor, ptr: Tensor, dst: Tensor, takers: Takers | None = None
) -> Tensor:
    """Return the softmax of [E, heads] scores over each segment, in at least float32."""
    score = score if score.dtype == torch.float64 else score.float()
    index = dst.unsqueeze(1).expand_as(score)
    highest = score.new_full((len(ptr) - 1, score.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, index, score.detach(), "amax")
    exp = (score - highest.index_select(0, dst)).exp()
    return exp / take(segment_sum(exp, ptr, dst, takers), dst, takers)
