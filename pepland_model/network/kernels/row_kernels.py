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


@triton.jit(do_not_specialize=["size"])
def sum_kernel(tables, indices, ptr, out, size, N: tl.constexpr, SIGNS: tl.constexpr,
               RELU: tl.constexpr, D: tl.constexpr, R: tl.constexpr, C: tl.constexpr,
               ACC: tl.constexpr):  # fmt: skip
    """Write the sum of N taken rows, with a ReLU, or 0 where the segment of a row is empty.

    The bits of SIGNS say which tables are subtracted.
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
    to = row.to(tl.int64)[:, None] * D + cols[None, :]
    tl.store(out + to, total, live[:, None] & (cols < D)[None, :])
