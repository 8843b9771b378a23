"""Sums of rows over segments of a sorted index: the gradient of taking rows.

One program sums one row of the result. A row of very many entries would keep one program busy for
long, so entries are also cut into chunks of `PART`: a first kernel sums the pieces of long rows in
each chunk, of which there are at most two (the row that covers the first entry of the chunk, and
the row that covers its last), and the second kernel adds these pieces. Each sum runs in one fixed
order, and nothing is atomic.
"""

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from torch import Tensor

if TYPE_CHECKING:
    from pepland_model.network.takers import Takers

PART = 64
"""Entries of a chunk. Rows with more are summed in pieces."""
TILE = 4
"""Entries that a program reads at once."""


@triton.jit
def _sum_of(
    rows, gate, order, via, begin, end, width, COLUMNS: tl.constexpr, TILE: tl.constexpr,
    HAS_VIA: tl.constexpr, HAS_GATE: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, COLUMNS)
    total = tl.zeros([COLUMNS], WIDE)
    start = begin
    while start < end:
        places = start + tl.arange(0, TILE)
        used = places < end
        taken = tl.load(order + places, mask=used, other=0).to(tl.int64)
        if HAS_VIA:
            taken = tl.load(via + taken, mask=used, other=0).to(tl.int64)
        cells = taken[:, None] * width + columns[None, :]
        inside = used[:, None] & (columns < width)[None, :]
        values = tl.load(rows + cells, mask=inside, other=0.0).to(WIDE)
        if HAS_GATE:
            open_ = tl.load(gate + cells, mask=inside, other=0.0) > 0
            values = tl.where(open_, values, 0.0)
        total += tl.sum(values, 0)
        start += TILE
    return total


@triton.jit
def _pieces(
    rows, gate, order, via, ptr, row, pieces, count, num_rows, width, COLUMNS: tl.constexpr,
    PART: tl.constexpr, TILE: tl.constexpr, HAS_VIA: tl.constexpr, HAS_GATE: tl.constexpr,
    WIDE: tl.constexpr,
):  # fmt: skip
    chunk = tl.program_id(0)
    low = chunk * PART
    high = tl.minimum(low + PART, count)
    columns = tl.arange(0, COLUMNS)
    first = tl.load(row + low).to(tl.int64)
    last = tl.load(row + high - 1).to(tl.int64)
    for side in tl.static_range(2):
        this = first if side == 0 else last
        if (this < num_rows) & ((side == 0) | (last != first)):
            begin = tl.load(ptr + this)
            end = tl.load(ptr + this + 1)
            if end - begin > PART:
                total = _sum_of(
                    rows, gate, order, via, tl.maximum(begin, low), tl.minimum(end, high), width,
                    COLUMNS, TILE, HAS_VIA, HAS_GATE, WIDE,
                )  # fmt: skip
                place = (chunk.to(tl.int64) * 2 + side) * width
                tl.store(pieces + place + columns, total, mask=columns < width)


@triton.jit
def _rows(
    rows, gate, order, via, ptr, pieces, out, width, sign, COLUMNS: tl.constexpr,
    PART: tl.constexpr, TILE: tl.constexpr, HAS_VIA: tl.constexpr, HAS_GATE: tl.constexpr,
    HAS_PIECES: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    this = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, COLUMNS)
    begin = tl.load(ptr + this)
    end = tl.load(ptr + this + 1)
    total = tl.zeros([COLUMNS], WIDE)
    if HAS_PIECES & (end - begin > PART):
        chunk = begin // PART
        number = chunk
        stop = (end - 1) // PART + 1
        while number < stop:
            side = tl.where((number == chunk) & (begin > chunk * PART), 1, 0)
            place = (number * 2 + side).to(tl.int64) * width
            total += tl.load(pieces + place + columns, mask=columns < width, other=0.0)
            number += 1
    else:
        total = _sum_of(
            rows, gate, order, via, begin, end, width, COLUMNS, TILE, HAS_VIA, HAS_GATE, WIDE
        )
    tl.store(out + this * width + columns, total * sign, mask=columns < width)


def gather_sum(
    rows: Tensor,
    takers: "Takers",
    via: Tensor | None = None,
    gate: Tensor | None = None,
    sign: int = 1,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return the sum of the rows of the takers of each row. [S, d].

    Args:
        rows: [E, d]; with `via`, [N, d].
        takers: of an index [E] into S rows.
        via: [E] int, the row of `rows` for each entry; None for entry e's row e.
        gate: of the shape of `rows`; elements count where it is above 0.
        sign: 1 or -1.
        dtype: of the result; None for that of sums (float32, or float64 of float64).
    """
    ptr = takers.ptr
    if ptr is None:  # entry order[v] alone takes row v
        ptr = torch.arange(len(takers.order) + 1, device=rows.device)
    return segment_sums(rows, takers.order, ptr, takers.row, via, gate, sign, dtype)


def segment_sums(
    rows: Tensor,
    order: Tensor,
    ptr: Tensor,
    row: Tensor | None = None,
    via: Tensor | None = None,
    gate: Tensor | None = None,
    sign: int = 1,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return the sum of ``rows[order[ptr[v]:ptr[v+1]]]`` for each v. [S, d].

    Args:
        rows: as for `gather_sum`, as are `via`, `gate`, `sign` and `dtype`.
        order: [E] int.
        ptr: [S+1] int64.
        row: [E] int, the segment of each entry of `order`; None where no segment is long.
    """
    whole = torch.float64 if rows.dtype == torch.float64 else torch.float32
    rows, width, count, size = rows.contiguous(), rows.shape[1], len(order), len(ptr) - 1
    out = rows.new_empty(size, width, dtype=dtype or whole)
    if not size or not width or not count:
        return out.zero_()
    columns = triton.next_power_of_2(width)
    options = {
        "COLUMNS": columns, "PART": PART, "TILE": TILE, "HAS_VIA": via is not None,
        "HAS_GATE": gate is not None, "num_warps": warps_for(columns),
        "WIDE": tl.float64 if whole == torch.float64 else tl.float32,
    }  # fmt: skip
    source = (rows, rows if gate is None else gate, order, order if via is None else via)
    pieces, has_pieces = out, row is not None and count > PART
    if has_pieces:
        chunks = triton.cdiv(count, PART)
        pieces = rows.new_empty(chunks, 2, width, dtype=whole)
        _pieces[(chunks,)](*source, ptr, row, pieces, count, size, width, **options)
    _rows[(size,)](*source, ptr, pieces, out, width, sign, HAS_PIECES=has_pieces, **options)
    return out


def warps_for(columns: int) -> int:
    """Return the warps of a program that works on rows of so many columns."""
    return max(1, min(4, columns // 128))
