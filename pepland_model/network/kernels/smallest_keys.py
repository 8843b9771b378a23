"""The smallest keys of a graph, found in a fixed number of passes over its nodes.

The key of a node is a hash of its graph and its place there, see `pepland_model.train.mask`. Keys
are computed where they are needed, but for the first nodes of a graph, which a program keeps.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

import triton
import triton.language as tl

from pepland_model.network.kernels.number_rows import mixed

BLOCK = 256
"""Nodes whose keys a program keeps. At most 512, as counts of so many keys have 10 bits."""


@triton.jit
def keys_of(
    per_graph, home, home_code, flags, row, begin, end, GOLDEN: tl.constexpr, BITS: tl.constexpr,
    HAS_RULE: tl.constexpr,
):  # fmt: skip
    """Return the keys of candidates, and a larger one for other rows."""
    used = row < end
    is_one = used
    if HAS_RULE:
        fragment = tl.load(home + row, mask=used, other=0).to(tl.int64)
        kind = tl.load(home_code + fragment, mask=used, other=0).to(tl.int64)
        is_one = used & (tl.load(flags + kind, mask=used, other=0) != 0)
    key = mixed(per_graph + (row - begin) * GOLDEN) & ((1 << BITS) - 1)
    return tl.where(is_one, key, 1 << BITS)


@triton.jit
def _below(key, low, step):
    """Return how many keys are below low + step, low + 2 step and low + 3 step, 10 bits each."""
    first = (key < low + step).to(tl.int32)
    second = (key < low + 2 * step).to(tl.int32)
    third = (key < low + 3 * step).to(tl.int32)
    return tl.sum(first + second * 1024 + third * 1048576, 0)


@triton.jit
def last_key(
    key, wanted, per_graph, home, home_code, flags, begin, end, GOLDEN: tl.constexpr,
    BITS: tl.constexpr, HAS_RULE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Return the smallest key but wanted - 1, and how many keys are smaller."""
    low = begin * 0
    before = wanted * 0
    step = low + (1 << (BITS - 2))
    while step > 0:
        counts = _below(key, low, step)
        first = counts & 1023
        second = (counts // 1024) & 1023
        third = counts // 1048576
        start = begin + BLOCK
        while start < end:
            row = start + tl.arange(0, BLOCK)
            more = keys_of(
                per_graph, home, home_code, flags, row, begin, end, GOLDEN, BITS, HAS_RULE
            )
            counts = _below(more, low, step)
            first += counts & 1023
            second += (counts // 1024) & 1023
            third += counts // 1048576
            start += BLOCK
        taken = (first < wanted).to(tl.int64) + (second < wanted).to(tl.int64)
        low += step * (taken + (third < wanted).to(tl.int64))
        before = tl.where(first < wanted, first, before)
        before = tl.where(second < wanted, second, before)
        before = tl.where(third < wanted, third, before)
        step = step // 4
    return low, before


@triton.jit
def wanted_keys(
    key, rate: tl.constexpr, per_graph, home, home_code, flags, begin, end, GOLDEN: tl.constexpr,
    BITS: tl.constexpr, HAS_RULE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Return how many of the candidates of a graph are masked; none where the rate is negative."""
    total = tl.sum((key < (1 << BITS)).to(tl.int32), 0)
    start = begin + BLOCK
    while start < end:
        row = start + tl.arange(0, BLOCK)
        more = keys_of(per_graph, home, home_code, flags, row, begin, end, GOLDEN, BITS, HAS_RULE)
        total += tl.sum((more < (1 << BITS)).to(tl.int32), 0)
        start += BLOCK
    if rate < 0:
        wanted = total * 0
    else:
        wanted = tl.minimum(total, (total.to(tl.float64) * rate + 1.0).to(tl.int32))
    return wanted
