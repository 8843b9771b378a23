"""Multi-head attention of one query per node over the entries of its segment, and its gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.attention_kernels import forward_kernel, node_kernel
from pepland_model.network.kernels.gather_sum import gather_sums
from pepland_model.network.kernels.jobs import TL, Job, device_of, job, sum_dtype

if TYPE_CHECKING:
    from pepland_model.network.takers import AnyIndex, Takers

ENTRIES = 4
"""Entries that a program handles at a time."""


def attend(
    query: Tensor,
    both: Tensor,
    own: AnyIndex,
    inputs: AnyIndex,
    ptr: Tensor,
    dst: Tensor,
    heads: int,
) -> Tensor:
    """Return softmax(Q K / sqrt(d / heads)) V over the entries of each node. [N, d].

    One launch, and in the backward pass two, or three with many entries. The dtype is that of
    `both`; sums are made in at least float32. A node without entries gets 0.

    Args:
        query: [K, d].
        both: [L, 2d], keys and then values.
        own: [N] int, query of each node; None where node v has row v. Each index comes with its
            takers without parts, which only the gradient needs.
        inputs: [E] int, key and value of each entry; None where entry e has row e.
        ptr: [N+1] int, entries ``ptr[v]`` to ``ptr[v+1]`` belong to node v.
        dst: [E] int, node of each entry.
        heads: of d / heads columns each.
    """
    return _Attend.apply(  # type: ignore[no-any-return, no-untyped-call]
        query, both, own[0], inputs[0], ptr, dst, own[1], inputs[1], heads
    )


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        both: Tensor,
        own: Tensor | None,
        inputs: Tensor | None,
        ptr: Tensor,
        dst: Tensor,
        own_takers: Takers | None,
        takers: Takers | None,
        heads: int,
    ) -> Tensor:
        query, both = query.contiguous(), both.contiguous()
        ctx.real = query.shape[1] // heads
        out, norm = attended(query, both, own, inputs, ptr, heads, ctx.real)
        ctx.save_for_backward(query, both, own, inputs, ptr, dst, out, norm)
        ctx.takers, ctx.own_takers = takers, own_takers
        return out

    @staticmethod
    @once_differentiable  # type: ignore[misc, no-untyped-call, untyped-decorator, unused-ignore]
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        query, both, own, inputs, ptr, dst, out, norm = ctx.saved_tensors
        to_query, to_both = torch.empty_like(query), torch.empty_like(both)
        attended_gradients(
            query, both, (own, ctx.own_takers), (inputs, ctx.takers), ptr, dst, ctx.real, out, norm,
            grads[0].contiguous(), to_query, to_both,
        )  # fmt: skip
        return to_query, to_both, *[None] * 7


def attended(
    query: Tensor,
    both: Tensor,
    own: Tensor | None,
    inputs: Tensor | None,
    ptr: Tensor,
    heads: int,
    real: int,
) -> tuple[Tensor, Tensor]:
    """Return what `attend` returns, without a gradient, and the norm of its scores [N, heads].

    Scores are divided by the root of `real`, the columns of a head that are no spare ones.
    """
    nodes = len(ptr) - 1
    out = both.new_empty(nodes, query.shape[1])
    norm = out.new_empty((nodes, heads), dtype=sum_dtype(query, both))
    if nodes > 0:
        key, value = both.chunk(2, 1)
        with device_of(out):
            forward_kernel[(nodes,)](
                query, key, value, own, inputs, ptr, out, norm, **_fixed(query, both, heads, real)
            )
    return out, norm


def attended_gradients(
    query: Tensor,
    both: Tensor,
    own: AnyIndex,
    inputs: AnyIndex,
    ptr: Tensor,
    dst: Tensor,
    real: int,
    out: Tensor,
    norm: Tensor,
    grad: Tensor,
    to_query: Tensor,
    to_both: Tensor,
) -> None:
    """Write the gradients of `attend`.

    Args:
        query: [K, d], as there.
        both: [L, 2d], as there.
        own: with its takers, as there.
        inputs: the same.
        ptr: [N+1] int, as there.
        dst: [E] int, as there.
        real: as for `attended`.
        out: [N, d], what `attended` returned.
        norm: [N, heads], the same.
        grad: [N, d], gradient of `out`.
        to_query: [K, d], written; rows may lie apart.
        to_both: [L, 2d], the same.
    """
    for_key, for_value = norm.new_empty((2, len(dst), norm.shape[1]))
    is_direct = own[0] is None and to_query.is_contiguous()
    for_query = to_query if is_direct else torch.empty_like(out, dtype=norm.dtype)
    if len(out) > 0:
        key, value = both.chunk(2, 1)
        with device_of(out):
            node_kernel[(len(out),)](
                query, key, value, own[0], inputs[0], ptr, out, norm, grad, for_query, for_key,
                for_value, **_fixed(query, both, norm.shape[1], real),
            )  # fmt: skip
    to_key, to_value = to_both.chunk(2, 1)
    common = {"via": dst, "limit": ptr[-1:]}
    jobs: list[Job] = [
        job(query, to_key, inputs[1], then=own[0], weight=for_key, **common),
        job(grad, to_value, inputs[1], weight=for_value, **common),
    ]
    if not is_direct:
        jobs.append(job(for_query, to_query, own[1]))
    gather_sums(*jobs)


def _fixed(query: Tensor, both: Tensor, heads: int, real: int) -> dict[str, Any]:
    """Return what is fixed when the kernels are compiled."""
    width = query.shape[1] // heads
    return {
        "stride": both.stride(0),
        "heads": heads,
        "width": width,
        "scale": 1 / math.sqrt(real),
        "R": ENTRIES,
        "H": triton.next_power_of_2(heads),
        "W": triton.next_power_of_2(width),
        "ACC": TL[sum_dtype(query, both)],
    }
