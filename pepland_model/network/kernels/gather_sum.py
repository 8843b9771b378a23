"""Sums of rows over the takers of each row: several such jobs in one launch, or in two.

The gradient of a gather is such a sum. A row with at most `part` entries is summed by one program.
The sorted entries are cut into chunks of `part`. A longer row covers the first or the last entry
of each chunk that it meets, so a chunk holds pieces of at most two long rows. One launch writes
these pieces, and the next adds them. Nothing is atomic, so every run gives the same bits. Launches
depend on shapes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from torch import Tensor

from pepland_model.network.kernels.jobs import (
    TL,
    Job,
    device_of,
    job,
    sum_dtype,
    taken,
)
from pepland_model.network.kernels.sum_kernels import chunk_kernel, row_kernel

if TYPE_CHECKING:
    from pepland_model.network.takers import Takers

PART = 128
"""Entries of a chunk; a constant of the kernels, as another number would be another kernel."""
BLOCK = 128
"""Columns of a program where a row has several programs, a power of two."""
TILE = 2048
"""Elements that a program adds at a time."""
FEW_ROWS, MANY_ENTRIES = 2048, 16
"""Below so many rows, or with so many entries a row on average, a row has several programs."""


def gather_sums(*jobs: Job) -> None:
    """Do jobs of the same width d. Three take one launch, or two if a row may exceed a part."""
    todo = [job for job in jobs if len(job.out) > 0]
    if not todo:
        return
    if len(todo) > 3:
        gather_sums(*todo[3:])
        todo = todo[:3]
    with device_of(todo[0].out):
        _launch([_described(job) for job in todo])


def _launch(todo: list[Job]) -> None:
    d, acc = todo[0].out.shape[1], sum_dtype(*(job.rows for job in todo))
    sizes = [len(job.out) for job in todo]
    chunks = [-(-_entries(job) // PART) if _entries(job) > PART else 0 for job in todo]
    at = (0, *accumulate(chunks))
    parts = todo[0].out.new_empty((max(at[-1], 1), 2, d), dtype=acc)
    common = {"N": len(todo), "PART": PART, "D": d, "ACC": TL[acc]}
    if at[-1] > 0:
        grid = (at[-1], triton.cdiv(d, BLOCK))
        chunk_kernel[grid](
            tuple(todo), *_three(at[1:]), *_three(sizes), parts, R=TILE // BLOCK, C=BLOCK, **common
        )
    blocks = (size * job.blocks.value for size, job in zip(sizes, todo, strict=True))
    starts, width = list(accumulate(blocks)), max(triton.next_power_of_2(d), 16)
    row_kernel[(starts[-1],)](
        tuple(todo), *_three(starts), *_three(at[1:])[:2], parts, R=max(TILE // width, 1), C=width,
        BLOCK=BLOCK, **common,
    )  # fmt: skip


def gather_sum(
    rows: Tensor,
    takers: Takers,
    via: Tensor | None = None,
    gate: Tensor | None = None,
    sign: int = 1,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return sign * the sum of ``rows[via[e]]`` over the entries e that take each row. [S, d].

    Args:
        rows: [E, d], or the rows that `via` names.
        takers: of an index [E] into S rows, without parts.
        via: [E] int; None where entry e has row e.
        gate: of the shape of `rows`; elements of `rows` count as 0 where it is at most 0.
        sign: 1 or -1.
        dtype: of the result; None is that of the rows. Sums are made in at least float32.
    """
    out = rows.new_empty((taken(takers), rows.shape[1]), dtype=dtype)
    gather_sums(job(rows, out, takers, via=via, gate=gate, sign=sign))
    return out


def _three(numbers: Sequence[int]) -> list[int]:
    return [*numbers, 0, 0, 0][:3]


def _entries(job: Job) -> int:
    return 0 if job.row is None else len(job.row)


def _described(job: Job) -> Job:
    """Return the job with what is fixed when a kernel is compiled."""
    size, d = job.out.shape
    few = size < FEW_ROWS or _entries(job) > MANY_ENTRIES * size
    values = {
        "blocks": -(-d // BLOCK) if few else 1,
        "stride": job.rows.stride(0),
        "out_stride": job.out.stride(0),
        "heads": 1 if job.weight is None else job.weight.shape[1],
        "sign": job.sign,
        "real": 0 if job.pad is None else job.pad.real,
        "wide": 0 if job.pad is None else job.pad.wide,
        "one": job.one,
        "pad": None,
    }
    return job._replace(**{name: tl.constexpr(value) for name, value in values.items()})
