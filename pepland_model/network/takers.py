"""Which entries of an index take each row, so that the gradient of taking rows is a plain sum.

The gradient of ``rows[index]`` adds, for each row, the gradients of the entries that took it. Where
these entries are known row by row, that is a sum over segments: nothing is sorted or added with
atomic operations in the backward pass, and each sum runs in one fixed order.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from pepland_model.network.kernels import devices as kernels

DEVICES = {"cuda"}
"""Types of devices on which gradients are summed by takers. On a CPU, adding the entries one after
the other is as fast, and has the same bits on every run as well."""
MIN_PART = 64
"""Rows with at most as many takers are never summed in parts."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Where rows with very many takers are summed in X parts, and then the parts."""

    begin: Tensor
    """[X] int64, where the takers of each part begin."""
    order: Tensor
    """[X] int64, the numbers of the parts."""
    ptr: Tensor
    """[X+1] int64, segments of the parts: those of a row belong to its first part."""
    target: Tensor
    """[X] int64, row that each segment is the sum of; for an empty segment, a row of its own."""

    def join(self, found: Tensor) -> Tensor:
        """Return the sums of all rows. [S, d].

        Args:
            found: [S+X, d], sums of the short rows, then of the parts; overwritten.
        """
        rows = len(found) - len(self.target)
        whole = bag(found[rows:], self.order, self.ptr)
        return found.index_copy_(0, self.target, whole)[:rows]

    def to(self, device: torch.device | str) -> Parts:
        """Return the same parts on another device."""
        return Parts(*(getattr(self, f.name).to(device) for f in fields(self)))


@dataclass(frozen=True, eq=False)
class Takers:
    """The entries of an index [E] into S rows, row by row."""

    order: Tensor
    """[E] int64, entries sorted by the row they take; long rows come last if there are `parts`."""
    ptr: Tensor | None
    """[S+X+1] int64: segments of `order`, one for each row and then X parts of the long rows, whose
    own segment is empty; X is 0 without `parts`. None: entry ``order[v]`` alone takes row v."""
    parts: Parts | None = None
    then: Takers | None = None
    """What takes the sums again, if the index was looked up in another index."""
    row: Tensor | None = None
    """[E] int, the row that entry ``order[i]`` takes, for kernels; at least S for entries behind
    the last segment. None where it is not known, or where there are `parts`."""

    def sum(self, rows: Tensor) -> Tensor:
        """Return the sum of the rows [E, d] of the takers of each row; zero for none. [S, d].

        Sums have the dtype of the rows.
        """
        found = self._by_kernel(rows) if self._has_kernel(rows) else self._sum(rows)
        return found if self.then is None else self.then.sum(found)

    def sums_wide(self, rows: Tensor) -> bool:
        """Return whether `sum` adds rows of 16 bits in float32."""
        return self._has_kernel(rows) and self.then is None

    def _has_kernel(self, rows: Tensor) -> bool:
        cut = self.ptr is None or self.parts is not None
        return kernels.runs_on(rows.device) and not cut

    def _by_kernel(self, rows: Tensor) -> Tensor:
        from pepland_model.network.kernels.gather_sum import gather_sum

        return gather_sum(rows, self)

    def _sum(self, rows: Tensor) -> Tensor:
        if self.ptr is None:
            return rows.index_select(0, self.order)
        if len(rows) == 0:
            return rows.new_zeros(len(self.ptr) - 1, rows.shape[1])
        found = bag(rows, self.order, self.ptr)
        return found if self.parts is None else self.parts.join(found)

    def to(self, device: torch.device | str) -> Takers:
        """Return the same entries on another device."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{n: v.to(device) for n, v in values.items() if v is not None})


Index = tuple[Tensor, Takers | None]
"""An index [E] int64, and its takers where they are known."""
AnyIndex = tuple[Tensor | None, Takers | None]
"""The same; None takes all rows."""


def bag(rows: Tensor, order: Tensor, ptr: Tensor, how: str = "sum") -> Tensor:
    """Return the sums of ``rows[order[ptr[v]:ptr[v+1]]]``, added in this order. [S, d].

    This is one operator, vectorized and without atomic additions. It sums the entries after
    ``ptr[S]`` too, as the option ``include_last_offset`` ignores the last offset on CUDA.

    Args:
        rows: [E, d].
        order: [E] int.
        ptr: [S+1] int.
        how: ``sum``, ``mean`` or ``max``; 0 for an empty segment.
    """
    return embedding_bag(order, rows, ptr, mode=how)[:-1]


def takers_of(index: Tensor, num_rows: int) -> Takers:
    """Return the takers of each row, with one sort; this does not wait for the device.

    Args:
        index: [E] int, below 2**31.
        num_rows: S.
    """
    found = torch.sort(index.int(), stable=True)
    bounds = torch.arange(num_rows + 1, dtype=torch.int32, device=index.device)
    ptr = torch.searchsorted(found.values, bounds)
    if kernels.runs_on(index.device):
        return Takers(found.indices, ptr, row=found.values)
    return in_parts(found.indices, found.values.long(), ptr)


def sorted_takers(ptr: Tensor, num_entries: int, index: Tensor | None = None) -> Takers:
    """Return the takers of an index that ascends: row v is taken by ``ptr[v]`` to ``ptr[v+1]``."""
    return Takers(torch.arange(num_entries, device=ptr.device), ptr, row=index)


def permuted_takers(order: Tensor) -> Takers:
    """Return the takers of an index that takes each row once, row v by entry ``order[v]``."""
    return Takers(order, None)


def whole(index: AnyIndex, num_rows: int) -> AnyIndex:
    """Return an index into S rows with takers that kernels sum over, where gradients need them."""
    values, takers = index
    if values is None:
        return None, None
    if takers is None or takers.parts is not None or takers.then is not None:
        takers = takers_of(values, num_rows) if torch.is_grad_enabled() else None
    return values, takers


def looked_up(first: Index, then: AnyIndex) -> Index:
    """Return the index ``then[first]``, with its takers where those of both are known."""
    index, takers = then
    if index is None:
        return first
    inner, outer = first
    both = None if outer is None or takers is None else replace(outer, then=takers)
    return index.index_select(0, inner), both


def in_parts(order: Tensor, row: Tensor, ptr: Tensor) -> Takers:
    """Return takers that sum rows of very many takers in parts, and then the parts.

    A device sums a segment with few threads, one row after the other. So a row with more than about
    sqrt(E) takers is cut into parts of that size. Shapes depend on E only: the host does not wait.

    Args:
        order: [E] int64, entries sorted by row.
        row: [E] int64, row that entry ``order[i]`` takes; S for entries that belong to no row.
        ptr: [S+1] int64.
    """
    size = max(MIN_PART, 1 << (len(order).bit_length() + 1) // 2)
    room = 2 * len(order) // size
    if room == 0:
        return Takers(order, ptr)
    sizes = ptr.diff()
    long = torch.where(sizes > size, sizes, 0)
    short = sizes - long
    short_end = short.cumsum(0)
    long_end = short_end[-1] + long.cumsum(0)
    moved = torch.where(long > 0, long_end, short_end) - ptr[1:]
    moved = torch.cat([moved, moved.new_zeros(1)])  # entries of no row stay at the end
    place = moved[row] + torch.arange(len(order), device=order.device)
    parts = parts_of(long, long_end, size, room)
    ptr = torch.cat([short_end - short, parts.begin, long_end[-1:]])
    order = torch.empty_like(order).scatter_(0, place, order)
    return Takers(order, ptr, parts)


def parts_of(sizes: Tensor, ends: Tensor, size: int, room: int) -> Parts:
    """Return the parts of long rows.

    Args:
        sizes: [S] int64, takers of each long row; 0 for the other rows.
        ends: [S] int64, where the takers of each row end.
        size: takers of a part; the last part of a row has fewer.
        room: X, at least the number of parts; the parts left over are empty.
    """
    count = (sizes + size - 1) // size
    last = count.cumsum(0)
    part = torch.arange(room, device=sizes.device)
    owner = torch.searchsorted(last, part, right=True).clamp(max=len(sizes) - 1)
    nth = part - (last - count)[owner]
    used = part < last[-1]
    leads = used & (nth == 0)
    return Parts(
        begin=torch.where(used, (ends - sizes)[owner] + nth * size, ends[-1]),
        order=part,
        ptr=torch.cat([torch.where(leads, part, last[owner]), last[-1:]]),
        target=torch.where(leads, owner, len(sizes) + part),
    )
