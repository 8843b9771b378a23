"""Numbers for rows with equal keys, by a hash table in the memory of the device.

Keys of all levels of a search lie in one table, which is cleared once. A slot holds a key and the
lowest row that has it. Which slot a key gets depends on the order of events, the lowest row does
not: results are the same on every run. Rows are numbered in the order in which keys appear first.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

import torch
import triton
import triton.language as tl
from torch import Tensor

from pepland_model.network.kernels.jobs import device_of

EMPTY: tl.constexpr = tl.constexpr(-0x7FFF_FFFF_FFFF_FFFF)
"""Key of an empty slot; a row with this key gets the next one."""
PROBES: tl.constexpr = tl.constexpr(512)
"""Slots that are tried before the table counts as full."""
SPARES: tl.constexpr = tl.constexpr(256)
"""Blocks of memory for lanes that have nothing to insert, so that their atomics do not queue."""
FULL: tl.constexpr = tl.constexpr(2**31 - 1)
"""Lowest row of an empty slot."""
BLOCK = 128
CLEARED = 1024
"""Slots that a program clears."""


@triton.jit
def mixed(x):
    """Return the hash of SplitMix64, as `pepland_model.network.hashing.mix`."""
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -4658895280553007687
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -7723592293110705685
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


@triton.jit
def inserted(keys, lowest, trouble, key, row, used, slots):
    """Insert keys, and return the slot of each row."""
    key = tl.where(key == EMPTY, EMPTY + 1, key)
    slot = mixed(key) & (slots - 1)
    # Where lanes that have nothing to insert compare, and write nothing.
    spare = keys + slots + tl.program_id(0) % SPARES * row.shape[0] + tl.arange(0, row.shape[0])
    waiting = used
    tries = 0
    while (tl.max(waiting.to(tl.int32), 0) > 0) & (tries < PROBES):
        there = tl.load(keys + slot, mask=waiting, other=0, volatile=True)
        free = waiting & (there == EMPTY)
        place = tl.where(free, keys + slot, spare)
        old = tl.atomic_cas(place, tl.where(free, EMPTY, 1), tl.where(free, key, 1))
        there = tl.where(free & (old != EMPTY), old, there)
        mine = waiting & ((there == key) | (free & (old == EMPTY)))
        waiting = waiting & (mine == 0)
        slot = tl.where(waiting, (slot + 1) & (slots - 1), slot)
        tries += 1
    tl.store(trouble + tl.zeros_like(row), tl.full(row.shape, 1, tl.int32), mask=waiting)
    low = tl.load(lowest + slot, mask=used, other=0, volatile=True)
    tl.atomic_min(lowest + slot, row.to(tl.int32), mask=used & (row < low))
    return slot


@triton.jit
def _first_rows(lowest, slot_of, is_first, in_ptr, real, count, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = row < count
    slot = tl.load(slot_of + row, mask=used, other=0)
    low = tl.load(lowest + slot, mask=used, other=-1)
    found = (low == row).to(tl.int64)
    if in_ptr is not None:
        inside = used & (row < tl.load(real))
        size = tl.load(in_ptr + row + 1, mask=inside, other=0)
        found *= 1 + ((size - tl.load(in_ptr + row, mask=inside, other=0)) << 32)
    tl.store(is_first + row, found, mask=used)


def arrays(number: int, rows: int, device: torch.device) -> tuple[Tensor, ...]:
    """Return int64 arrays that are not initialized, each aligned as kernels expect it. [rows]."""
    made = torch.empty(number, -(-rows // 64) * 64, dtype=torch.int64, device=device)
    return made[:, :rows].unbind()


@triton.jit
def _clear(keys, lowest, trouble, slots, size, BLOCK: tl.constexpr):
    slot = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(keys + slot, tl.full([BLOCK], EMPTY, tl.int64), mask=slot < size)
    tl.store(lowest + slot, tl.full([BLOCK], FULL, tl.int32), mask=slot < slots)
    tl.store(trouble + slot, tl.zeros([BLOCK], tl.int32), mask=slot < 2)


class Table:
    """A hash table for one search.

    Args:
        rows: most distinct keys that it has to hold.
        device: a CUDA device.
    """

    def __init__(self, rows: int, device: torch.device) -> None:
        self.slots = triton.next_power_of_2(max(2 * rows, 2))
        size = self.slots + SPARES.value * BLOCK
        self.keys = torch.empty(size, dtype=torch.int64, device=device)
        self.lowest = torch.empty(self.slots, dtype=torch.int32, device=device)
        self.trouble = torch.empty(2, dtype=torch.int32, device=device)
        """Whether the table was full, and whether two different rows had one key."""
        grid = (triton.cdiv(size, CLEARED),)
        with device_of(self.keys):
            _clear[grid](self.keys, self.lowest, self.trouble, self.slots, size, BLOCK=CLEARED)

    def numbers(
        self, slot_of: Tensor, in_ptr: Tensor | None = None, real: Tensor | None = None
    ) -> Tensor:
        """Return how many keys appear first up to each row, in the lower 32 bits. [N] int64.

        Args:
            slot_of: [N] int64, slot of each row.
            in_ptr: [N+1] int64, entries ``in_ptr[v]`` to ``in_ptr[v+1]`` enter row v. The upper 32
                bits are how many enter these rows, up to each row.
            real: [] int64, rows that entries count of.
        """
        is_first = torch.empty_like(slot_of)
        grid = (triton.cdiv(len(slot_of), BLOCK),)
        with device_of(slot_of):
            _first_rows[grid](
                self.lowest, slot_of, is_first, in_ptr, real, len(slot_of), BLOCK=BLOCK
            )
        return is_first.cumsum(0)


def last_of(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last of some `Table.numbers`: lower and upper half, without a copy. [] int32."""
    low, high = numbers.view(torch.int32)[-2:].unbind()
    return low, high
