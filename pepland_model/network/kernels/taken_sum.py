"""The sum of rows taken from several tables, in one launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import triton
from torch import Tensor

from pepland_model.network.kernels.jobs import TL, device_of, sum_dtype
from pepland_model.network.kernels.row_kernels import sum_kernel

if TYPE_CHECKING:
    from pepland_model.network.kernels.columns import Columns

ROWS = 4
"""Rows of a program."""


def taken_sum(
    tables: Sequence[Tensor],
    indices: Sequence[Tensor | None],
    size: int,
    dtype: torch.dtype,
    signs: int = 0,
    relu: bool = False,
    ptr: Tensor | None = None,
    one: int = -1,
    strip: Columns | None = None,
) -> Tensor:
    """Return the sum of ``table[index]``. [size, d].

    Args:
        tables: [*, d] each.
        indices: [size] int for each table; None where row r is row r.
        size: number of rows.
        dtype: of the result. Sums are made in at least float32.
        signs: bit i is set where table i is subtracted.
        relu: elements below 0 become 0.
        ptr: [size+1] int, segments; the row of an empty one becomes 0.
        one: column that becomes 1 in every row; -1 for none.
        strip: columns of the tables, whose spare ones the result does not have.
    """
    tables = tuple(table.contiguous() for table in tables)
    d = tables[0].shape[1]
    real, wide = (d, d) if strip is None else (strip.real, strip.wide)
    out = tables[0].new_empty((size, d // wide * real), dtype=dtype)
    if size > 0:
        with device_of(out):
            sum_kernel[(triton.cdiv(size, ROWS),)](
                tables, tuple(indices), ptr, out, size, N=len(tables), SIGNS=signs, RELU=relu,
                ONE=one, REAL=real, WIDE=wide, D=d, R=ROWS, C=triton.next_power_of_2(d),
                ACC=TL[sum_dtype(*tables)],
            )  # fmt: skip
    return out
