"""Directed edges sorted by destination, without a sort.

Atomic additions of integers count the edges of each node and hand out places. The few edges of a
node are then put in the order of their numbers, so the result is the same on every run.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

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
def _ranks(begin, end, real, in_ptr, order, place_of, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = place < 2 * tl.load(real)
    edge = tl.load(order + place, mask=used, other=0)
    _, dst = _ends(begin, end, edge, used)
    first = tl.load(in_ptr + dst, mask=used, other=0)
    stop = tl.load(in_ptr + dst + 1, mask=used, other=0)
    rank = first
    other = first
    while tl.max(stop - other, 0) > 0:
        more = used & (other < stop)
        rank += (more & (tl.load(order + other, mask=more, other=0) < edge)).to(tl.int64)
        other += 1
    tl.store(place_of + edge, rank, mask=used)


@triton.jit
def _write(
    begin, end, code, real, place_of, src_of, dst_of, code_of, reverse_of, in_ptr, count, nodes,
    BLOCK: tl.constexpr,
):  # fmt: skip
    edge = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = edge < count
    is_real = edge < 2 * tl.load(real)
    src, dst = _ends(begin, end, edge, used)
    # Padding bonds go from the last node to itself, so their edges come last, in their order.
    place = tl.where(is_real, tl.load(place_of + edge, mask=used & is_real, other=0), edge)
    back = edge ^ 1
    other = tl.where(is_real, tl.load(place_of + back, mask=used & is_real, other=0), back)
    tl.store(src_of + place, src, mask=used)
    tl.store(dst_of + place, dst, mask=used)
    tl.store(code_of + place, tl.load(code + edge // 2, mask=used, other=0).to(tl.int64), mask=used)
    tl.store(reverse_of + place, other, mask=used)
    tl.store(in_ptr + nodes + tl.zeros_like(edge), tl.zeros_like(edge) + count, mask=edge == 0)


def sorted_edges(
    begin: Tensor, end: Tensor, code: Tensor, num_nodes: int, real: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return source, destination, code and reverse of the edges [2 B], and pointers [N+1].

    Args:
        begin: [B] int, node at one end.
        end: [B] int, node at the other end.
        code: [B] int.
        num_nodes: N.
        real: [] int64, number of bonds; those after it go from the last node to itself, which no
            other bond has.
    """
    count, device = 2 * len(begin), begin.device
    src_of, dst_of, code_of, reverse_of, order, place_of = torch.empty(
        6, count, dtype=torch.int64, device=device
    )
    degree = torch.zeros(num_nodes + 1, dtype=torch.int32, device=device)
    grid = (triton.cdiv(count, BLOCK),)
    if count:
        _degrees[grid](begin, end, real, degree[1:], BLOCK=BLOCK)
    in_ptr = degree.cumsum(0, dtype=torch.int64)
    if count:
        _places[grid](begin, end, real, degree[1:], in_ptr, order, BLOCK=BLOCK)
        _ranks[grid](begin, end, real, in_ptr, order, place_of, BLOCK=BLOCK)
        _write[grid](
            begin, end, code, real, place_of, src_of, dst_of, code_of, reverse_of, in_ptr, count,
            num_nodes, BLOCK=BLOCK,
        )  # fmt: skip
    return src_of, dst_of, code_of, reverse_of, in_ptr
