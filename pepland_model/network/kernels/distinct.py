"""Classes of rows with equal keys, by a hash table: six launches for one or two sets of rows."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from pepland_model.network.kernels.jobs import device_of
from pepland_model.network.kernels.number_rows import BLOCK, Table, inserted


class Section(NamedTuple):
    """The classes of a set of rows."""

    of_row: Tensor
    """[N] int64, class of each row, at most room - 1."""
    first: Tensor
    """[room] int64, first row of each class, ascending; row 0 where there is no class."""
    found: Tensor
    """[] int64, number of classes; it may exceed the room."""


@triton.jit
def _slots(key, keys, lowest, trouble, slot_of, count, slots, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = row < count
    value = tl.load(key + row, mask=used, other=0)
    slot = inserted(keys, lowest, trouble, value, row, used, slots)
    tl.store(slot_of + row, slot, mask=used)


@triton.jit
def _classes(
    check, lowest, trouble, slot_of, number, of_row, first, found, count, border, room, other_room,
    HAS_CHECK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = row < count
    before = tl.load(number + border - 1, mask=border > 0, other=0)
    after = tl.load(number + count - 1) - before
    is_other = row >= border
    leader = tl.load(lowest + tl.load(slot_of + row, mask=used, other=0), mask=used, other=0)
    place = tl.load(number + leader, mask=used, other=1) - 1 - tl.where(is_other, before, 0)
    most = tl.where(is_other, other_room, room)
    tl.store(of_row + row, tl.minimum(place, most - 1), mask=used)
    if HAS_CHECK:
        same = tl.load(check + row, mask=used, other=0) == tl.load(
            check + leader, mask=used, other=0
        )
        bad = tl.full([BLOCK], 1, tl.int32)
        tl.store(trouble + tl.zeros_like(row), bad, mask=used & (same == 0))
    leads = used & (leader == row) & (place < most)
    target = first + place + tl.where(is_other, room, 0)
    tl.store(target, row - tl.where(is_other, border, 0), mask=leads)
    # The same programs write the rows of `first` that have no class, and the numbers.
    is_other = row >= room
    empty = row - tl.where(is_other, room, 0) >= tl.where(is_other, after, before)
    tl.store(first + row, tl.zeros_like(row), mask=empty & (row < room + other_room))
    tl.store(found + row, tl.where(row == 0, before, after), mask=row < 2)


def distinct(
    key: Tensor, check: Tensor | None, sizes: tuple[int, ...], rooms: tuple[int, ...]
) -> tuple[tuple[Section, ...], Tensor]:
    """Return the classes of each section of the rows, and whether they may not be used, [] bool.

    Rows with equal keys form a class. Classes are numbered in the order of their first rows. They
    may not be used where two rows of a class differ in `check`.

    Args:
        key: [N] int64; no two sections share a key. The two lowest keys but one count as one.
        check: [N] int64; None where a key holds all of a row.
        sizes: rows of each section, one or two; N in total.
        rooms: of each section.
    """
    count, border, room, total = len(key), sizes[0], rooms[0], sum(rooms)
    table = Table(count, key.device)
    slot_of, of_row = torch.empty(2, count, dtype=torch.int64, device=key.device)
    if not count:
        first, found = key.new_zeros(total), key.new_zeros(2)
        return _sections(of_row, first, found, sizes, rooms), table.trouble.view(torch.bool)[0]
    first, found = key.new_empty(total), key.new_empty(2)
    grid, all_rows = (triton.cdiv(count, BLOCK),), max(count, total, 2)
    with device_of(key):
        _slots[grid](
            key, table.keys, table.lowest, table.trouble, slot_of, count, table.slots, BLOCK=BLOCK
        )
        number = table.numbers(slot_of)
        _classes[(triton.cdiv(all_rows, BLOCK),)](
            key if check is None else check, table.lowest, table.trouble, slot_of, number, of_row,
            first, found, count, border, room, total - room, HAS_CHECK=check is not None,
            BLOCK=BLOCK,
        )  # fmt: skip
    return _sections(of_row, first, found, sizes, rooms), table.trouble.view(torch.bool)[0]


def _sections(
    of_row: Tensor, first: Tensor, found: Tensor, sizes: tuple[int, ...], rooms: tuple[int, ...]
) -> tuple[Section, ...]:
    parts = zip(of_row.split(sizes), first.split(rooms), found, strict=False)
    return tuple(Section(*part) for part in parts)
