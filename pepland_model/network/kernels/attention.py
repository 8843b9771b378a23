"""Attention of one query per node over the edges that enter it, in one kernel each way.

The backward pass computes the weights again from the scores and their logarithmic sums. A first
kernel runs node by node, for the gradient of the query and two numbers for each edge and head. A
second one runs key by key over the edges that take it (`gather_sum`'s pieces for long rows).
"""

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.gather_sum import PART, gather_sum

if TYPE_CHECKING:
    from pepland_model.network.takers import AnyIndex


@triton.jit
def _tile(HEADS: tl.constexpr, COLUMNS: tl.constexpr, heads, each):
    head = tl.arange(0, HEADS)
    column = tl.arange(0, COLUMNS)
    cells = head[:, None] * each + column[None, :]
    inside = (head < heads)[:, None] & (column < each)[None, :]
    return cells, inside


@triton.jit
def _forward(
    query, pairs, own, inputs, ptr, out, sums, heads, each, scale, HEADS: tl.constexpr,
    COLUMNS: tl.constexpr, HAS_OWN: tl.constexpr, HAS_INPUTS: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    node = tl.program_id(0).to(tl.int64)
    width = heads * each
    cells, inside = _tile(HEADS, COLUMNS, heads, each)
    taken = tl.load(own + node).to(tl.int64) if HAS_OWN else node
    q = tl.load(query + taken * width + cells, mask=inside, other=0.0).to(WIDE) * scale
    begin = tl.load(ptr + node)
    end = tl.load(ptr + node + 1)
    high = tl.full([HEADS], float("-inf"), WIDE)
    total = tl.zeros([HEADS], WIDE)
    mixed = tl.zeros([HEADS, COLUMNS], WIDE)
    entry = begin
    while entry < end:
        edge = tl.load(inputs + entry).to(tl.int64) if HAS_INPUTS else entry.to(tl.int64)
        k = tl.load(pairs + edge * 2 * width + cells, mask=inside, other=0.0).to(WIDE)
        v = tl.load(pairs + (edge * 2 + 1) * width + cells, mask=inside, other=0.0).to(WIDE)
        score = tl.sum(q * k, 1)
        higher = tl.maximum(high, score)
        old = tl.exp(high - higher)
        new = tl.exp(score - higher)
        total = total * old + new
        mixed = mixed * old[:, None] + new[:, None] * v
        high = higher
        entry += 1
    some = end > begin
    head = tl.arange(0, HEADS)
    share = tl.where(some, total, 1.0)
    tl.store(out + node * width + cells, mixed / share[:, None], mask=inside)
    level = tl.where(some, high + tl.log(share), 0.0)
    tl.store(sums + node * heads + head, level, mask=head < heads)


@triton.jit
def _backward_nodes(
    query, pairs, own, inputs, ptr, out, sums, grad, to_query, weights, slopes, heads, each, scale,
    HEADS: tl.constexpr, COLUMNS: tl.constexpr, HAS_OWN: tl.constexpr, HAS_INPUTS: tl.constexpr,
    WIDE: tl.constexpr,
):  # fmt: skip
    node = tl.program_id(0).to(tl.int64)
    width = heads * each
    head = tl.arange(0, HEADS)
    cells, inside = _tile(HEADS, COLUMNS, heads, each)
    taken = tl.load(own + node).to(tl.int64) if HAS_OWN else node
    q = tl.load(query + taken * width + cells, mask=inside, other=0.0).to(WIDE) * scale
    g = tl.load(grad + node * width + cells, mask=inside, other=0.0).to(WIDE)
    o = tl.load(out + node * width + cells, mask=inside, other=0.0).to(WIDE)
    mean = tl.sum(g * o, 1)
    level = tl.load(sums + node * heads + head, mask=head < heads, other=0.0)
    result = tl.zeros([HEADS, COLUMNS], WIDE)
    entry = tl.load(ptr + node)
    stop = tl.load(ptr + node + 1)
    while entry < stop:
        edge = tl.load(inputs + entry).to(tl.int64) if HAS_INPUTS else entry.to(tl.int64)
        k = tl.load(pairs + edge * 2 * width + cells, mask=inside, other=0.0).to(WIDE)
        v = tl.load(pairs + (edge * 2 + 1) * width + cells, mask=inside, other=0.0).to(WIDE)
        weight = tl.exp(tl.sum(q * k, 1) - level)
        slope = weight * (tl.sum(g * v, 1) - mean)
        result += slope[:, None] * k
        place = entry.to(tl.int64) * heads + head
        tl.store(weights + place, weight, mask=head < heads)
        tl.store(slopes + place, slope, mask=head < heads)
        entry += 1
    tl.store(to_query + node * width + cells, result * scale, mask=inside)


@triton.jit
def _of_entries(
    query, grad, own, dst, order, weights, slopes, begin, end, heads, each, scale,
    HEADS: tl.constexpr, COLUMNS: tl.constexpr, HAS_OWN: tl.constexpr, HAS_ORDER: tl.constexpr,
    WIDE: tl.constexpr,
):  # fmt: skip
    width = heads * each
    head = tl.arange(0, HEADS)
    cells, inside = _tile(HEADS, COLUMNS, heads, each)
    to_key = tl.zeros([HEADS, COLUMNS], WIDE)
    to_value = tl.zeros([HEADS, COLUMNS], WIDE)
    place = begin
    while place < end:
        entry = tl.load(order + place).to(tl.int64) if HAS_ORDER else place.to(tl.int64)
        node = tl.load(dst + entry).to(tl.int64)
        taken = tl.load(own + node).to(tl.int64) if HAS_OWN else node
        q = tl.load(query + taken * width + cells, mask=inside, other=0.0).to(WIDE)
        g = tl.load(grad + node * width + cells, mask=inside, other=0.0).to(WIDE)
        at = entry * heads + head
        slope = tl.load(slopes + at, mask=head < heads, other=0.0)
        weight = tl.load(weights + at, mask=head < heads, other=0.0)
        to_key += slope[:, None] * q
        to_value += weight[:, None] * g
        place += 1
    return to_key * scale, to_value


@triton.jit
def _key_pieces(
    query, grad, own, dst, order, weights, slopes, ptr, row, pieces, count, num_rows, heads, each,
    scale, HEADS: tl.constexpr, COLUMNS: tl.constexpr, HAS_OWN: tl.constexpr,
    HAS_ORDER: tl.constexpr, PART: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    chunk = tl.program_id(0)
    low = chunk * PART
    high = tl.minimum(low + PART, count)
    width = heads * each
    cells, inside = _tile(HEADS, COLUMNS, heads, each)
    first = tl.load(row + low).to(tl.int64)
    last = tl.load(row + high - 1).to(tl.int64)
    for side in tl.static_range(2):
        this = first if side == 0 else last
        if (this < num_rows) & ((side == 0) | (last != first)):
            begin = tl.load(ptr + this)
            end = tl.load(ptr + this + 1)
            if end - begin > PART:
                to_key, to_value = _of_entries(
                    query, grad, own, dst, order, weights, slopes, tl.maximum(begin, low),
                    tl.minimum(end, high), heads, each, scale, HEADS, COLUMNS, HAS_OWN, HAS_ORDER,
                    WIDE,
                )  # fmt: skip
                place = (chunk.to(tl.int64) * 2 + side) * 2 * width
                tl.store(pieces + place + cells, to_key, mask=inside)
                tl.store(pieces + place + width + cells, to_value, mask=inside)


@triton.jit
def _backward_keys(
    query, grad, own, dst, order, weights, slopes, ptr, pieces, out, heads, each, scale,
    HEADS: tl.constexpr, COLUMNS: tl.constexpr, HAS_OWN: tl.constexpr, HAS_ORDER: tl.constexpr,
    HAS_PIECES: tl.constexpr, PART: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    this = tl.program_id(0).to(tl.int64)
    width = heads * each
    cells, inside = _tile(HEADS, COLUMNS, heads, each)
    begin = this
    end = this + 1
    if HAS_ORDER:
        begin = tl.load(ptr + this)
        end = tl.load(ptr + this + 1)
    to_key = tl.zeros([HEADS, COLUMNS], WIDE)
    to_value = tl.zeros([HEADS, COLUMNS], WIDE)
    if HAS_PIECES & (end - begin > PART):
        chunk = begin // PART
        number = chunk
        stop = (end - 1) // PART + 1
        while number < stop:
            side = tl.where((number == chunk) & (begin > chunk * PART), 1, 0)
            place = (number * 2 + side).to(tl.int64) * 2 * width
            to_key += tl.load(pieces + place + cells, mask=inside, other=0.0)
            to_value += tl.load(pieces + place + width + cells, mask=inside, other=0.0)
            number += 1
    else:
        to_key, to_value = _of_entries(
            query, grad, own, dst, order, weights, slopes, begin, end, heads, each, scale, HEADS,
            COLUMNS, HAS_OWN, HAS_ORDER, WIDE,
        )  # fmt: skip
    tl.store(out + this * 2 * width + cells, to_key, mask=inside)
    tl.store(out + this * 2 * width + width + cells, to_value, mask=inside)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, pairs: Tensor, own: "AnyIndex", inputs: "AnyIndex", ptr: Tensor,
        dst: Tensor, heads: int,
    ) -> Tensor:  # fmt: skip
        nodes, width = len(ptr) - 1, query.shape[1]
        wide = torch.float64 if query.dtype == torch.float64 else torch.float32
        out, sums = query.new_empty(nodes, width), query.new_empty(nodes, heads, dtype=wide)
        ctx.own, ctx.inputs, ctx.heads = own, inputs, heads
        if nodes:
            _forward[(nodes,)](
                query, pairs, *_index(own, ptr), *_index(inputs, ptr), ptr, out, sums,
                **_options(query, heads, HAS_OWN=own[0] is not None),
                HAS_INPUTS=inputs[0] is not None,
            )  # fmt: skip
        ctx.save_for_backward(query, pairs, ptr, dst, out, sums)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        query, pairs, ptr, dst, out, sums = ctx.saved_tensors
        own, inputs, heads = ctx.own, ctx.inputs, ctx.heads
        grad = grads[0].contiguous()
        to_query = torch.empty_like(grad)
        weights = sums.new_empty(len(dst), heads)
        slopes = torch.empty_like(weights)
        options = _options(query, heads, HAS_OWN=own[0] is not None)
        if len(out):
            _backward_nodes[(len(out),)](
                query, pairs, *_index(own, ptr), *_index(inputs, ptr), ptr, out, sums, grad,
                to_query, weights, slopes, **options, HAS_INPUTS=inputs[0] is not None,
            )  # fmt: skip
        if own[0] is not None:
            to_query = gather_sum(to_query, own[1], dtype=query.dtype)
        to_pairs = torch.empty_like(pairs)
        if len(pairs):
            _to_pairs(query, grad, own, inputs, dst, weights, slopes, to_pairs, options)
        return to_query, to_pairs, None, None, None, None, None


def _to_pairs(
    query: Tensor, grad: Tensor, own: "AnyIndex", inputs: "AnyIndex", dst: Tensor, weights: Tensor,
    slopes: Tensor, out: Tensor, options: dict[str, Any],
) -> None:  # fmt: skip
    """Write the gradient of the keys and values. [L, 2 d]."""
    takers, count = inputs[1], len(dst)
    order, ptr, row = (takers.order, takers.ptr, takers.row) if takers else (dst, dst, None)
    has_order = inputs[0] is not None
    entries = (query, grad, *_index(own, dst), dst, order, weights, slopes, ptr)
    pieces, has_pieces = out, row is not None and count > PART
    if has_pieces:
        chunks = triton.cdiv(count, PART)
        pieces = weights.new_empty(chunks, 2, out.shape[1])
        _key_pieces[(chunks,)](
            *entries, row, pieces, count, len(out), **options, HAS_ORDER=has_order, PART=PART
        )
    _backward_keys[(len(out),)](
        *entries, pieces, out, **options, HAS_ORDER=has_order, HAS_PIECES=has_pieces, PART=PART
    )


def _index(index: "AnyIndex", other: Tensor) -> tuple[Tensor]:
    """Return an index, or any tensor in place of one that takes all rows."""
    return (other if index[0] is None else index[0],)


def _options(query: Tensor, heads: int, **more: Any) -> dict[str, Any]:
    each = query.shape[1] // heads
    columns, head_rows = triton.next_power_of_2(each), triton.next_power_of_2(heads)
    return {
        "heads": heads, "each": each, "scale": each**-0.5, "HEADS": head_rows, "COLUMNS": columns,
        "WIDE": tl.float64 if query.dtype == torch.float64 else tl.float32,
        "num_warps": max(1, min(4, columns * head_rows // 128)), **more,
    }  # fmt: skip


def attend(
    query: Tensor, pairs: Tensor, own: "AnyIndex", inputs: "AnyIndex", ptr: Tensor, dst: Tensor,
    heads: int,
) -> Tensor:  # fmt: skip
    """Return the weighted sum of values for each node. [N, d], of the dtype of the query.

    Args:
        query: [K, d].
        pairs: [L, 2 d], keys and then values.
        own: [N], row of `query` for each node, with its takers; None where node v has row v.
        inputs: [E], row of `pairs` for each incoming edge, with its takers; None as for `own`.
        ptr: [N+1] int64, edges ``ptr[v]`` to ``ptr[v+1]`` enter node v.
        dst: [E] int64, node that each edge enters.
        heads: number of attention heads.
    """
    out: Tensor = _Attend.apply(
        query.contiguous(), pairs.contiguous(), own, inputs, ptr, dst, heads
    )
    return out
