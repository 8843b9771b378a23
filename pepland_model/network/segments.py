"""Sums and softmax over sorted segments, and rows taken by index, with their gradients.

Nothing here waits for the device. On a CPU every run gives bit-identical results. On CUDA this is
not so yet: the gradient of an embedding lookup in PyTorch uses atomic additions.
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
        # A bag adds the rows of a segment in their order, vectorized and without atomic additions.
        return embedding_bag(place, rows, ptr, mode="sum", include_last_offset=True)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        (dst,) = ctx.saved_tensors
        return grads[0].index_select(0, dst), None, None


def segment_sum(rows: Tensor, ptr: Tensor, dst: Tensor) -> Tensor:
    """Return the sum of the rows of each segment in at least float32; zero for an empty segment.

    Args:
        rows: [E, d]; the rows of a segment follow each other.
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
        # A table row is taken thousands of times. In 16 bits the sum would stop growing early.
        wide = torch.ops.aten.embedding_dense_backward(
            grads[0].float(), index, ctx.num_rows, -1, False
        )
        return wide.to(grads[0].dtype), None


def take(rows: Tensor, index: Tensor | None) -> Tensor:
    """Return ``rows[index]``; None as index means all rows.

    The gradient is summed in at least float32: by sorted index on CUDA, row by row on the CPU.
    """
    if index is None:
        return rows
    if rows.dtype in (torch.float16, torch.bfloat16):
        return _Take.apply(rows, index)  # type: ignore[no-any-return, no-untyped-call]
    return embedding(index, rows)


def segment_softmax(score: Tensor, ptr: Tensor, dst: Tensor) -> Tensor:
    """Return the softmax of [E, heads] scores over each segment, in at least float32."""
    score = score if score.dtype == torch.float64 else score.float()
    index = dst.unsqueeze(1).expand_as(score)
    highest = score.new_full((len(ptr) - 1, score.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, index, score.detach(), "amax")
    exp = (score - highest.index_select(0, dst)).exp()
    return exp / take(segment_sum(exp, ptr, dst), dst)
