"""Sums that one launch can do side by side: which entries of which rows make each row."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import triton.language as tl
from torch import Tensor

if TYPE_CHECKING:
    from pepland_model.network.takers import Takers

MIN_PART = 64
"""No part has fewer entries: an index with as many needs no `Job.row`."""
TL = {torch.float32: tl.float32, torch.float64: tl.float64}
"""Triton's name of each dtype that sums are made in."""


class Job(NamedTuple):
    """One sum: out[r] = sign * sum of the rows that the entries of row r name.

    Entry e names row ``then[via[e]]`` of `rows`; without `via` and `then` it names row e.
    """

    rows: Tensor
    """[E, d], or any other number of rows; rows may lie apart."""
    out: Tensor
    """[S, d], written; rows may lie apart."""
    order: Tensor | None = None
    """[E] int, entries sorted by row; None for 0, 1, 2, ..."""
    ptr: Tensor | None = None
    """[S+1] int, segments of `order`; None where row r has the entry at place r alone."""
    row: Tensor | None = None
    """[E] int, row of each sorted entry. Needed where a row may have more entries than a part."""
    via: Tensor | None = None
    """[E] int."""
    then: Tensor | None = None
    """int, looked up after `via`."""
    weight: Tensor | None = None
    """[E, heads], a factor of each entry; heads share the columns evenly."""
    gate: Tensor | None = None
    """Of the shape of `rows`: elements where it is at most 0 count as 0."""
    mask: Tensor | None = None
    """[N+1] int, segments: rows of `rows` whose segment is empty count as 0."""
    limit: Tensor | None = None
    """[1] int: entries from this number on count as 0."""
    pad: Any = None
    """`Columns` of `out`, whose spare ones `rows` lacks; they count as 0."""
    one: Any = -1
    """Column of `out` that becomes 1; -1 for none."""
    # The rest is set by `gather_sums`, apart from the sign.
    stride: Any = 0
    out_stride: Any = 0
    heads: Any = 1
    blocks: Any = 1
    sign: Any = 1
    real: Any = 0
    wide: Any = 0


def job(rows: Tensor, out: Tensor, takers: Takers | None, **other: Any) -> Job:
    """Return the job that sums rows over takers; without takers, entry e takes row e."""
    rows = rows if rows.stride(1) == 1 else rows.contiguous()
    if takers is None:
        return Job(rows, out, **other)
    row, order, ptr = takers.row, takers.order, takers.ptr
    if row is None and ptr is not None and len(order) > MIN_PART:
        place = torch.arange(len(order), device=order.device, dtype=ptr.dtype)
        row = torch.searchsorted(ptr[1:], place, right=True)
    return Job(rows, out, order, ptr, row, **other)


def taken(takers: Takers) -> int:
    """Return S, the number of rows that may be taken."""
    return len(takers.order) if takers.ptr is None else len(takers.ptr) - 1


def sum_dtype(*tensors: Tensor) -> torch.dtype:
    """Return the dtype of sums: float64 where a tensor has it, else float32."""
    wide = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if wide else torch.float32


def device_of(tensor: Tensor) -> AbstractContextManager[Any]:
    """Return a context in which kernels are launched on the device of a tensor."""
    found: Any = torch.cuda.device_of(tensor)  # type: ignore[no-untyped-call]
    return found  # type: ignore[no-any-return]
