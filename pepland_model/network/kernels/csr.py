"""Directed edges sorted by destination, without a sort.

Atomic additions of integers count the edges of each node and hand out places. The few edges of a
node are then put in the order of their numbers, so the result is the same on every run.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

import torch
import triton
import triton.language as tl
from torch import Tensor

from pepland_model.network.kernels.jobs import device_of
from pepland_model.network.kernels.number_rows import arrays

BLOCK = 256


@triton.jit
def _ends(begin, end, edge, used):
    """Return source and destination of edges: both directions of a bond follow each other."""
    bond = edge // 2
    first = tl.load(begin + bond, mask=used, other=0).to(tl.int64)
    second = tl.load(end + bond, mask=used, other=0).to(tl.int64)
    back = edge % 2 == 1
    return tl.where(back, second, first), tl.where(back, first, second)


@triton.jit
def _degrees(begin, end, real, degree, BLOCK: tl.constexpr):
    edge = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = edge < 2 * tl.load(real)
    _, dst = _ends(begin, end, edge, used)
    tl.atomic_add(degree + dst, 1, mask=used)


@triton.jit
def _places(begin, end, real, degree, in_ptr, order, BLOCK: tl.constexpr):
    edge = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = edge < 2 * tl.load(real)
    _, dst = _ends(begin, end, edge, used)
    left = tl.atomic_add(degree + dst, -1, mask=used)
    place = tl.load(in_ptr + dst, mask=used, other=0) + left - 1
    tl.store(order + place, edge, mask=used)


@triton.jit
def _place(order, in_ptr, dst, edge, stop, used):
    """Return the place of edges: after those with lower numbers that enter the same node."""
    other = tl.load(in_ptr + dst, mask=used, other=0)
    end = tl.minimum(tl.load(in_ptr + dst + 1, mask=used, other=0), stop)
    place = other
    while tl.max(end - other, 0) > 0:
        more = used & (other < end)
        place += (more & (tl.load(order + other, mask=more, other=0) < edge)).to(tl.int64)
        other += 1
    return place


@triton.jit
def _write(
    begin, end, code, real, order, src_of, dst_of, code_of, reverse_of, in_ptr, bonds, nodes,
    BLOCK: tl.constexpr,
):  # fmt: skip
    bond = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = bond < bonds
    number = tl.load(real)
    is_real = bond < number
    first = tl.load(begin + bond, mask=used, other=0).to(tl.int64)
    second = tl.load(end + bond, mask=used, other=0).to(tl.int64)
    kind = tl.load(code + bond, mask=used, other=0).to(tl.int64)
    stop = 2 * number
    there = _place(order, in_ptr, second, 2 * bond, stop, used & is_real)
    back = _place(order, in_ptr, first, 2 * bond + 1, stop, used & is_real)
    # Padding bonds go from the last node to itself, so their edges come last, in their order.
    there = tl.where(is_real, there, 2 * bond)
    back = tl.where(is_real, back, 2 * bond + 1)
    _write_edges(src_of, dst_of, code_of, reverse_of, there, first, second, kind, back, used)
    _write_edges(src_of, dst_of, code_of, reverse_of, back, second, first, kind, there, used)
    # The pointers counted no padding. While another program writes this, `stop` stands for it.
    tl.store(in_ptr + nodes + tl.zeros_like(bond), tl.zeros_like(bond) + 2 * bonds, mask=bond == 0)


@triton.jit
def _write_edges(src_of, dst_of, code_of, reverse_of, place, src, dst, kind, reverse, used):
    tl.store(src_of + place, src, mask=used)
    tl.store(dst_of + place, dst, mask=used)
    tl.store(code_of + place, kind, mask=used)
    tl.store(reverse_of + place, reverse, mask=used)


def sorted_edges(
    begin: Tensor, end: Tensor, code: Tensor, num_nodes: int, real: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return source, destination, code and reverse of the edges [2 B], and pointers [N+1].

    Args:
        begin: [B] int, node at one end.
        end: [B] int, node at the other end.
        code: [B] int.
        num_nodes: N.
        real: [] int64, number of bonds; those after it go from the last node to itself.
    """
    bonds, device = len(begin), begin.device
    src_of, dst_of, code_of, reverse_of, order = arrays(5, 2 * bonds, device)
    degree = torch.zeros(num_nodes + 1, dtype=torch.int64, device=device)
    grid = (triton.cdiv(2 * bonds, BLOCK),)
    if not bonds:
        return src_of, dst_of, code_of, reverse_of, degree
    with device_of(begin):
        _degrees[grid](begin, end, real, degree[1:], BLOCK=BLOCK)
        in_ptr = degree.cumsum(0)
        _places[grid](begin, end, real, degree[1:], in_ptr, order, BLOCK=BLOCK)
        _write[(triton.cdiv(bonds, BLOCK),)](
            begin, end, code, real, order, src_of, dst_of, code_of, reverse_of, in_ptr, bonds,
            num_nodes, BLOCK=BLOCK,
        )  # fmt: skip
    return src_of, dst_of, code_of, reverse_of, in_ptr
