"""Elementwise launches over rows that are taken by index."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def taken_rows(rows, index, row, live, cols, D: tl.constexpr, ACC: tl.constexpr):
    """Return the rows that an index names at some places; without an index, these rows. [R, C]."""
    at = row.to(tl.int64)
    if index is not None:
        at = tl.load(index + row, mask=live, other=0).to(tl.int64)
    inside = live[:, None] & (cols < D)[None, :]
    return tl.load(rows + at[:, None] * D + cols[None, :], inside, 0).to(ACC)


@triton.jit
def spared(cols, REAL: tl.constexpr, WIDE: tl.constexpr):
    """Return the columns without spare ones, where of each WIDE columns the first REAL remain."""
    return cols // WIDE * REAL + cols % WIDE


@triton.jit(do_not_specialize=["size"])
def sum_kernel(tables, indices, ptr, out, size, N: tl.constexpr, SIGNS: tl.constexpr,
               RELU: tl.constexpr, ONE: tl.constexpr, REAL: tl.constexpr, WIDE: tl.constexpr,
               D: tl.constexpr, R: tl.constexpr, C: tl.constexpr, ACC: tl.constexpr):  # fmt: skip
    """Write the sum of N taken rows, with a ReLU, or 0 where the segment of a row is empty.

    The bits of SIGNS say which tables are subtracted. Of each WIDE columns, the first REAL ones are
    written, and 1 to the column ONE.
    """
    row = tl.program_id(0) * R + tl.arange(0, R)
    cols = tl.arange(0, C)
    live = row < size
    total = tl.zeros([R, C], ACC)
    for i in tl.static_range(N):
        found = taken_rows(tables[i], indices[i], row, live, cols, D, ACC)
        if (SIGNS >> i) & 1 == 1:
            total -= found
        else:
            total += found
    if RELU:
        total = tl.where(total <= 0, 0.0, total)
    if ptr is not None:
        begin = tl.load(ptr + row, mask=live, other=0)
        some = tl.load(ptr + row + 1, mask=live, other=0) > begin
        total = tl.where(some[:, None], total, 0.0)
    if ONE >= 0:
        total = tl.where((cols == ONE)[None, :], 1.0, total)
    to = row.to(tl.int64)[:, None] * (D // WIDE * REAL) + spared(cols, REAL, WIDE)[None, :]
    tl.store(out + to, total, live[:, None] & ((cols < D) & (cols % WIDE < REAL))[None, :])


@triton.jit
def layer_kernel(weight, bias, out, block_stride, row_stride, bias_stride, PERIOD: tl.constexpr,
                 BIASED: tl.constexpr, KEEPS: tl.constexpr, REAL: tl.constexpr, WIDE: tl.constexpr,
                 D: tl.constexpr, C: tl.constexpr, ACC: tl.constexpr):  # fmt: skip
    """Write one row of a layer's weights [D, D], with its bias in the column REAL.

    Layer b is the kind b % PERIOD. The bits of BIASED say which kinds have a bias, and those of
    KEEPS which return a column of ones as it is.
    """
    layer, row = tl.program_id(0) // D, tl.program_id(0) % D
    kind, cols = layer % PERIOD, tl.arange(0, C)
    at, live = row // WIDE * REAL + row % WIDE, row % WIDE < REAL
    exist = (cols < D) & (cols % WIDE < REAL) & live
    from_row = weight + layer * block_stride + at * row_stride
    found = tl.load(from_row + spared(cols, REAL, WIDE), exist, 0).to(ACC)
    biased = live & ((BIASED >> kind) & 1 == 1)
    one = tl.load(bias + layer * bias_stride + at, biased, 0).to(ACC)
    one = tl.where((row == REAL) & ((KEEPS >> kind) & 1 == 1), 1.0, one)
    tl.store(out + tl.program_id(0) * D + cols, tl.where(cols == REAL, one, found), cols < D)
