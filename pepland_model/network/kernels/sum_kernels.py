"""The two launches of `gather_sum`: pieces of long rows in each chunk, then the sum of each row.

`jobs` is a tuple of up to three `jobs.Job`. Numbers that differ between calls are arguments
of their own, as only these can be kept from compiling a kernel for each kind of number: the first
program of each job (that of the first is 0), the end, and the first chunk or the rows of each job.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import triton
import triton.language as tl

from pepland_model.network.kernels.row_kernels import spared


@triton.jit
def _some(job, lo, hi, cols, D: tl.constexpr, R: tl.constexpr, C: tl.constexpr, ACC: tl.constexpr):
    """Return the sum of the entries at places lo to hi of one job. [C]."""
    total = tl.zeros([R, C], ACC)
    i = lo  # Triton's interpreter has no `range` of values on the device
    while i < hi:
        place = i + tl.arange(0, R)
        live = place < hi
        entry = place.to(tl.int64)
        if job.order is not None:
            entry = tl.load(job.order + place, mask=live, other=0).to(tl.int64)
        if job.limit is not None:
            live = live & (entry < tl.load(job.limit))
        source = entry
        if job.via is not None:
            source = tl.load(job.via + source, mask=live, other=0).to(tl.int64)
        kept = live
        if job.mask is not None:
            begin = tl.load(job.mask + source, mask=live, other=0)
            kept = live & (tl.load(job.mask + source + 1, mask=live, other=0) > begin)
        if job.then is not None:
            source = tl.load(job.then + source, mask=live, other=0).to(tl.int64)
        at, exist = cols, cols < D
        if job.real < job.wide:
            at, exist = spared(cols, job.real, job.wide), exist & (cols % job.wide < job.real)
        inside = kept[:, None] & exist[None, :]
        found = tl.load(job.rows + source[:, None] * job.stride + at[None, :], inside, 0).to(ACC)
        if job.gate is not None:
            gate = tl.load(job.gate + source[:, None] * D + cols[None, :], inside, 1)
            found = tl.where(gate <= 0, 0.0, found)
        if job.weight is not None:
            head = cols // (D // job.heads)
            weight = entry[:, None] * job.heads + head[None, :]
            found *= tl.load(job.weight + weight, inside, 0).to(ACC)
        total += found
        i += R
    return tl.sum(total, 0)


@triton.jit(do_not_specialize=["start1", "start2", "start3", "size0", "size1", "size2"])
def chunk_kernel(jobs, start1, start2, start3, size0, size1, size2, parts,
                 N: tl.constexpr, PART: tl.constexpr, D: tl.constexpr, R: tl.constexpr,
                 C: tl.constexpr, ACC: tl.constexpr):  # fmt: skip
    """Write the pieces of long rows in each chunk: of its first entry's row, and its last's."""
    starts, sizes = (0, start1, start2, start3), (size0, size1, size2)
    chunk = tl.program_id(0)
    cols = tl.program_id(1) * C + tl.arange(0, C)
    for i in tl.static_range(N):
        job = jobs[i]
        if job.row is not None:
            first = (chunk - starts[i]) * PART
            if (first >= 0) & (chunk < starts[i + 1]):
                last = tl.minimum(first + PART, tl.load(job.ptr + sizes[i]).to(tl.int32)) - 1
                if first <= last:
                    row = tl.load(job.row + first)
                    end = tl.load(job.ptr + row + 1).to(tl.int32)
                    to = parts + chunk.to(tl.int64) * (2 * D) + cols
                    if end - tl.load(job.ptr + row).to(tl.int32) > PART:
                        piece = _some(job, first, tl.minimum(end, last + 1), cols, D, R, C, ACC)
                        tl.store(to, piece, cols < D)
                    final = tl.load(job.row + last)
                    begin = tl.load(job.ptr + final).to(tl.int32)
                    size = tl.load(job.ptr + final + 1).to(tl.int32) - begin
                    if (final != row) & (size > PART):
                        piece = _some(job, begin, last + 1, cols, D, R, C, ACC)
                        tl.store(to + D, piece, cols < D)


@triton.jit
def _joined(parts, lo, hi, cols, PART: tl.constexpr, D: tl.constexpr, P: tl.constexpr,
            C: tl.constexpr, ACC: tl.constexpr):  # fmt: skip
    """Return the sum of the pieces of the row with the entries at places lo to hi. [C]."""
    total = tl.zeros([P, C], ACC)
    first = lo // PART
    while first * PART < hi:
        chunk = first + tl.arange(0, P)
        second = (chunk * PART < lo).to(tl.int64)
        inside = (chunk * PART < hi)[:, None] & (cols < D)[None, :]
        at = (chunk.to(tl.int64) * 2 + second) * D
        total += tl.load(parts + at[:, None] + cols[None, :], inside, 0)
        first += P
    return tl.sum(total, 0)


@triton.jit
def _row(job, row, parts, cols, PART: tl.constexpr, D: tl.constexpr, R: tl.constexpr,
         C: tl.constexpr, ACC: tl.constexpr):  # fmt: skip
    """Write some columns of one row."""
    lo, hi = row, row + 1
    if job.ptr is not None:
        lo = tl.load(job.ptr + row).to(tl.int32)
        hi = tl.load(job.ptr + row + 1).to(tl.int32)
    total = tl.zeros([C], ACC)
    if job.row is not None:
        if hi - lo > PART:
            total = _joined(parts, lo, hi, cols, PART, D, R, C, ACC)
        else:
            total = _some(job, lo, hi, cols, D, R, C, ACC)
    else:
        total = _some(job, lo, hi, cols, D, R, C, ACC)
    total *= job.sign
    if job.one >= 0:
        total = tl.where(cols == job.one, 1.0, total)
    tl.store(job.out + row.to(tl.int64) * job.out_stride + cols, total, cols < D)


@triton.jit(do_not_specialize=["start1", "start2", "start3", "chunk1", "chunk2"])
def row_kernel(jobs, start1, start2, start3, chunk1, chunk2, parts, N: tl.constexpr,
               PART: tl.constexpr, D: tl.constexpr, R: tl.constexpr, C: tl.constexpr,
               BLOCK: tl.constexpr, ACC: tl.constexpr):  # fmt: skip
    """Write the sum of each row: of its entries, or of the pieces of a long row.

    A program has a row of C columns, in tiles [R, C]. Where rows are few or long, it has a block of
    BLOCK columns instead, in tiles of as many elements, and a row has several programs.
    """
    starts, chunks = (0, start1, start2, start3), (0, chunk1, chunk2)
    for i in tl.static_range(N):
        job = jobs[i]
        program = tl.program_id(0) - starts[i]
        if (program >= 0) & (tl.program_id(0) < starts[i + 1]):
            own = parts + chunks[i] * (2 * D)
            if job.blocks > 1:
                cols = program % job.blocks * BLOCK + tl.arange(0, BLOCK)
                row = program // job.blocks
                _row(job, row, own, cols, PART, D, R * C // BLOCK, BLOCK, ACC)
            else:
                _row(job, program, own, tl.arange(0, C), PART, D, R, C, ACC)
