"""The launches of `attention`: one program for each node, which loops over the node's entries.

A tile is [R entries, H heads, W columns]; H and W are powers of two, at least `heads` and `width`.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _columns(heads, width, H: tl.constexpr, W: tl.constexpr):
    """Return the columns of a row as [H, W], and which of them exist."""
    head, column = tl.arange(0, H)[:, None], tl.arange(0, W)[None, :]
    return head * width + column, (head < heads) & (column < width)


@triton.jit
def _entries(inputs, place, live, stride, columns, exist):
    """Return where the rows of some entries begin, and which of their columns exist."""
    row = place.to(tl.int64)
    if inputs is not None:
        row = tl.load(inputs + place, mask=live, other=0).to(tl.int64)
    return row[:, None, None] * stride + columns[None], live[:, None, None] & exist[None]


@triton.jit
def forward_kernel(query, key, value, own, inputs, ptr, out, norm, stride: tl.constexpr,
                   heads: tl.constexpr, width: tl.constexpr, scale: tl.constexpr, R: tl.constexpr,
                   H: tl.constexpr, W: tl.constexpr, ACC: tl.constexpr):  # fmt: skip
    """Write the mixed values of a node [heads * width] and the logsumexp of its scores [heads]."""
    node = tl.program_id(0).to(tl.int64)
    row = node
    if own is not None:
        row = tl.load(own + node).to(tl.int64)
    columns, exist = _columns(heads, width, H, W)
    q = tl.load(query + row * (heads * width) + columns, exist, 0).to(ACC) * scale
    i, end = tl.load(ptr + node).to(tl.int32), tl.load(ptr + node + 1).to(tl.int32)
    highest = tl.full([H], float("-inf"), ACC)
    total, mixed = tl.zeros([H], ACC), tl.zeros([H, W], ACC)
    while i < end:
        place = i + tl.arange(0, R)
        live = place < end
        at, inside = _entries(inputs, place, live, stride, columns, exist)
        k = tl.load(key + at, inside, 0).to(ACC)
        v = tl.load(value + at, inside, 0).to(ACC)
        score = tl.where(live[:, None], tl.sum(k * q[None], 2), float("-inf"))
        new = tl.maximum(highest, tl.max(score, 0))
        weight, fade = tl.exp(score - new[None]), tl.exp(highest - new)
        total = total * fade + tl.sum(weight, 0)
        mixed = mixed * fade[:, None] + tl.sum(weight[:, :, None] * v, 0)
        highest = new
        i += R
    some = tl.where(total > 0, total, 1)
    tl.store(out + node * (heads * width) + columns, mixed / some[:, None], exist)
    head = tl.arange(0, H)
    tl.store(norm + node * heads + head, highest + tl.log(some), head < heads)


@triton.jit
def node_kernel(query, key, value, own, inputs, ptr, out, norm, grad, for_query, for_key,
                for_value, stride: tl.constexpr, heads: tl.constexpr, width: tl.constexpr,
                scale: tl.constexpr, R: tl.constexpr, H: tl.constexpr, W: tl.constexpr,
                ACC: tl.constexpr):  # fmt: skip
    """Write the gradient of a node's query, and two factors of each of its entries.

    The gradient of a key is the sum of `for_key` [E, heads] times the query, and that of a value
    is the sum of `for_value` [E, heads], the weight, times the gradient of the output.
    """
    node = tl.program_id(0).to(tl.int64)
    row = node
    if own is not None:
        row = tl.load(own + node).to(tl.int64)
    columns, exist = _columns(heads, width, H, W)
    head = tl.arange(0, H)
    q = tl.load(query + row * (heads * width) + columns, exist, 0).to(ACC) * scale
    mine = node * (heads * width) + columns
    g = tl.load(grad + mine, exist, 0).to(ACC)
    mean = tl.sum(g * tl.load(out + mine, exist, 0).to(ACC), 1)
    level = tl.load(norm + node * heads + head, head < heads, 0)
    i, end = tl.load(ptr + node).to(tl.int32), tl.load(ptr + node + 1).to(tl.int32)
    total = tl.zeros([H, W], ACC)
    while i < end:
        place = i + tl.arange(0, R)
        live = place < end
        at, inside = _entries(inputs, place, live, stride, columns, exist)
        k = tl.load(key + at, inside, 0).to(ACC)
        v = tl.load(value + at, inside, 0).to(ACC)
        score = tl.where(live[:, None], tl.sum(k * q[None], 2), float("-inf"))
        weight = tl.exp(score - level[None])
        slope = weight * (tl.sum(v * g[None], 2) - mean[None]) * scale
        total += tl.sum(slope[:, :, None] * k, 0)
        to = place.to(tl.int64)[:, None] * heads + head[None, :]
        exists = live[:, None] & (head < heads)[None, :]
        tl.store(for_key + to, slope, exists)
        tl.store(for_value + to, weight, exists)
        i += R
    tl.store(for_query + mine, total, exist)
