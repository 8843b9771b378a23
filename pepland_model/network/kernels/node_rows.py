"""Rows of nodes: the residual of attention, and sums over the inputs of each node."""

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.gather_sum import gather_sum, segment_sums, warps_for

if TYPE_CHECKING:
    from pepland_model.network.takers import AnyIndex


@triton.jit
def _residual(
    attended, f_h, own, ptr, out, count, width, COLUMNS: tl.constexpr, TILE: tl.constexpr,
    HAS_OWN: tl.constexpr,
):  # fmt: skip
    node = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    used = node < count
    begin = tl.load(ptr + node, mask=used, other=0)
    some = used & (tl.load(ptr + node + 1, mask=used, other=0) > begin)
    columns = tl.arange(0, COLUMNS)
    inside = used[:, None] & (columns < width)[None, :]
    read = some[:, None] & inside
    row = tl.load(own + node, mask=used, other=0).to(tl.int64) if HAS_OWN else node
    cells = node[:, None] * width + columns[None, :]
    values = tl.load(attended + cells, mask=read, other=0.0)
    before = tl.load(f_h + row[:, None] * width + columns[None, :], mask=read, other=0.0)
    tl.store(out + cells, values + before, mask=inside)


@triton.jit
def _where_inputs(grad, ptr, out, count, width, COLUMNS: tl.constexpr, TILE: tl.constexpr):
    node = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    used = node < count
    begin = tl.load(ptr + node, mask=used, other=0)
    some = used & (tl.load(ptr + node + 1, mask=used, other=0) > begin)
    columns = tl.arange(0, COLUMNS)
    inside = used[:, None] & (columns < width)[None, :]
    cells = node[:, None] * width + columns[None, :]
    tl.store(
        out + cells, tl.load(grad + cells, mask=some[:, None] & inside, other=0.0), mask=inside
    )


class _Residual(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, attended: Tensor, f_h: Tensor, own: "AnyIndex", ptr: Tensor) -> Tensor:
        count, width = attended.shape
        out = torch.empty_like(attended)
        ctx.own, ctx.dtype = own, f_h.dtype
        ctx.save_for_backward(ptr)
        if count:
            columns = triton.next_power_of_2(width)
            _residual[(triton.cdiv(count, 4),)](
                attended, f_h, ptr if own[0] is None else own[0], ptr, out, count, width,
                COLUMNS=columns, TILE=4, HAS_OWN=own[0] is not None, num_warps=warps_for(columns),
            )  # fmt: skip
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (ptr,) = ctx.saved_tensors
        count, width = grads[0].shape
        grad = torch.empty_like(grads[0], memory_format=torch.contiguous_format)
        columns = triton.next_power_of_2(width)
        if count:
            _where_inputs[(triton.cdiv(count, 4),)](
                grads[0].contiguous(), ptr, grad, count, width, COLUMNS=columns, TILE=4,
                num_warps=warps_for(columns),
            )  # fmt: skip
        if ctx.own[0] is None:
            return grad, grad.to(ctx.dtype), None, None
        return grad, gather_sum(grad, ctx.own[1], dtype=ctx.dtype), None, None


def residual(attended: Tensor, f_h: Tensor, own: "AnyIndex", ptr: Tensor) -> Tensor:
    """Return attended + f_h[own], and 0 for nodes that no edge enters. [N, d].

    Args:
        attended: [N, d].
        f_h: [K, d].
        own: [N] int, row of `f_h`, with its takers; None where node v has row v.
        ptr: [N+1] int64, edges ``ptr[v]`` to ``ptr[v+1]`` enter node v.
    """
    out: Tensor = _Residual.apply(attended.contiguous(), f_h.contiguous(), own, ptr)
    return out


class _Incoming(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, inputs: "AnyIndex", ptr: Tensor, dst: Tensor) -> Tensor:
        ctx.inputs, ctx.dtype = inputs, h.dtype
        ctx.save_for_backward(dst)
        index = torch.arange(len(dst), device=h.device) if inputs[0] is None else inputs[0]
        return segment_sums(h, index, ptr, dtype=h.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (dst,) = ctx.saved_tensors
        if ctx.inputs[0] is None:
            return grads[0].index_select(0, dst), None, None, None
        return gather_sum(grads[0], ctx.inputs[1], via=dst, dtype=ctx.dtype), None, None, None


def incoming(h: Tensor, inputs: "AnyIndex", ptr: Tensor, dst: Tensor) -> Tensor:
    """Return the sum of h[inputs] over the edges that enter each node. [N, d], summed in float32.

    Args:
        h: [L, d].
        inputs: [E] int, row of `h`, with its takers; None where edge e has row e.
        ptr: [N+1] int64, edges ``ptr[v]`` to ``ptr[v+1]`` enter node v.
        dst: [E] int64, node that each edge enters.
    """
    out: Tensor = _Incoming.apply(h, inputs, ptr, dst)
    return out
