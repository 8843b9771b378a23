"""Sums over sorted segments, and gathers whose gradients need no atomic additions.

The sums run over each segment in order. No function waits for the device. On a CPU, results are
bit-identical on every run. On CUDA they are not yet: the gradient of an embedding lookup in PyTorch
adds with atomic operations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, embedding_bag


class _SegmentSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, ptr: Tensor, dst: Tensor) -> Tensor:
        ctx.save_for_backward(dst)
        place = torch.arange(len(rows), device=rows.device)
        # A bag sum runs over each segment in order, vectorised, without atomics.
        return embedding_bag(place, rows, ptr, mode="sum", include_last_offset=True)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        (dst,) = ctx.saved_tensors
        return grads[0].index_select(0, dst), None, None


def segment_sum(rows: Tensor, ptr: Tensor, dst: Tensor) -> Tensor:
    """Return the sum of the rows of each segment, zero for an empty one, in float32 at least.

    Args:
        rows: [E, d], rows of one segment side by side.
        ptr: [N+1] int64, segment v is ``ptr[v]`` to ``ptr[v+1]``.
        dst: [E] int64, the segment of each row.

    Returns:
        [N, d].
    """
    if len(rows) == 0:
        return rows.new_zeros(len(ptr) - 1, rows.shape[1])
    wide = rows if rows.dtype == torch.float64 else rows.float()
    return _SegmentSum.apply(wide, ptr, dst)  # type: ignore[no-any-return, no-untyped-call]


class _Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.num_rows = len(rows)
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        # A table row is taken thousands of times: in 16 bits their sum soon stops growing.
        wide = torch.ops.aten.embedding_dense_backward(
            grads[0].float(), index, ctx.num_rows, -1, False
        )
        return wide.to(grads[0].dtype), None


def take(rows: Tensor, index: Tensor | None) -> Tensor:
    """Return ``rows[index]``, or the rows themselves for None.

    The gradient sums by sorted index on CUDA and by row on the CPU, in float32 at least.
    """
    if index is None:
        return rows
    if rows.dtype in (torch.float16, torch.bfloat16):
        return _Take.apply(rows, index)  # type: ignore[no-any-return, no-untyped-call]
    return embedding(index, rows)


def segment_softmax(score: Tensor, ptr: Tensor, dst: Tensor) -> Tensor:
    """Return the softmax of [E, heads] scores over each segment, in float32 at least."""
    score = score if score.dtype == torch.float64 else score.float()
    index = dst.unsqueeze(1).expand_as(score)
    highest = score.new_full((len(ptr) - 1, score.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, index, score.detach(), "amax")
    exp = (score - highest.index_select(0, dst)).exp()
    return exp / take(segment_sum(exp, ptr, dst), dst)
