"""Rows taken by index and summed over segments, in one launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.gather_sum import gather_sums
from pepland_model.network.kernels.jobs import Job, job

if TYPE_CHECKING:
    from pepland_model.network.takers import AnyIndex, Takers


def segment_rows(h: Tensor, inputs: AnyIndex, ptr: Tensor, dst: Tensor) -> Tensor:
    """Return the sum of ``h[inputs]`` over each segment, zero for an empty one. [N, d].

    One launch, as segments are short; in the backward pass one, or two with many entries. The dtype
    is that of h; sums are made in at least float32.

    Args:
        h: [L, d].
        inputs: [E] int, row of h for each entry, and its takers without parts, which only the
            gradient needs; None where entry e has row e.
        ptr: [N+1] int, entries ``ptr[v]`` to ``ptr[v+1]`` belong to segment v.
        dst: [E] int, segment of each entry.
    """
    return _SegmentRows.apply(h, *inputs, ptr, dst)  # type: ignore[no-any-return, no-untyped-call]


class _SegmentRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, h: Tensor, inputs: Tensor | None, takers: Takers | None, ptr: Tensor, dst: Tensor
    ) -> Tensor:
        ctx.save_for_backward(ptr, dst)
        ctx.takers, ctx.shape = takers, h.shape
        out = h.new_empty(len(ptr) - 1, h.shape[1])
        gather_sums(Job(h.contiguous(), out, inputs, ptr))
        return out

    @staticmethod
    @once_differentiable  # type: ignore[misc, no-untyped-call, untyped-decorator, unused-ignore]
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        (ptr, dst), grad = ctx.saved_tensors, grads[0].contiguous()
        found = grad.new_empty(ctx.shape)
        gather_sums(job(grad, found, ctx.takers, via=dst, limit=ptr[-1:]))
        return found, None, None, None, None
