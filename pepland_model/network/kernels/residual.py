"""The sum of a row and of rows taken by index, where a segment has entries."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.gather_sum import gather_sums
from pepland_model.network.kernels.jobs import job
from pepland_model.network.kernels.taken_sum import taken_sum

if TYPE_CHECKING:
    from pepland_model.network.takers import AnyIndex


def residual(
    rows: Tensor,
    *taken: tuple[Tensor, AnyIndex],
    ptr: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return ``rows + table[index] + ...`` where the segment of a row has entries, else 0. [N, d].

    One launch, and in the backward pass one, or two with many rows.

    Args:
        rows: [N, d].
        *taken: tables [*, d] and the index into each, [N] int; None takes row v for node v. Each
            index comes with its takers without parts, which only the gradient needs.
        ptr: [N+1] int, entries ``ptr[v]`` to ``ptr[v+1]`` belong to row v; None where all rows
            have entries.
        dtype: of the result; None is the one that the sum of all tables has.
    """
    tables = [rows, *(table for table, _ in taken)]
    indices = [None, *(index for _, (index, _) in taken)]
    takers = [None, *(takers for _, (_, takers) in taken)]
    dtype = dtype or reduce(torch.promote_types, (table.dtype for table in tables))
    return _Residual.apply(  # type: ignore[no-any-return, no-untyped-call]
        ptr, dtype, indices, takers, *tables
    )


class _Residual(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        ptr: Tensor | None,
        dtype: torch.dtype,
        indices: Any,
        takers: Any,
        *tables: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(ptr)
        ctx.tables = [(table.shape, table.dtype) for table in tables]
        ctx.jobs = list(zip(indices, takers, strict=True))
        return taken_sum(tables, indices, len(tables[0]), dtype, ptr=ptr)

    @staticmethod
    @once_differentiable  # type: ignore[misc, no-untyped-call, untyped-decorator, unused-ignore]
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        (ptr,), grad = ctx.saved_tensors, grads[0].contiguous()
        found = [grad.new_empty(shape, dtype=dtype) for shape, dtype in ctx.tables]
        # Tables of which row v is row v have one gradient, which is written once for each dtype.
        same = {
            to.dtype: to for to, (index, _) in zip(found, ctx.jobs, strict=True) if index is None
        }
        jobs = [job(grad, to, None, mask=ptr) for to in same.values()]
        for i, (index, takers) in enumerate(ctx.jobs):
            if index is None:
                found[i] = same[found[i].dtype]
            else:
                jobs.append(job(grad, found[i], takers, mask=ptr))
        gather_sums(*jobs)
        return None, None, None, None, *found
