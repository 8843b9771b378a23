"""Consecutive numbers for 64-bit integer keys: equal keys have equal numbers.

A hash only says where to look. The keys themselves are compared, so different keys never share a
number. Keys are not sorted, because most rows of a batch repeat a key: sorting all rows to find the
few distinct keys took most of the time (the plan of 499 peptides took 92 ms
of processor time, 37 ms with hashing).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

FIELD = 21
"""Bits for each of the three integers in a key."""
LIMIT = 1 << (FIELD - 1)
"""Classes and codes are below it. The next bit marks a folded tuple, see `distinct`."""
FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""2**64 / golden ratio: multiplicative hashing (Knuth, TAOCP 3, 6.4)."""
ROOM = 4
"""Slots for each key. On average, at least 3 of 4 keys are then found without a search."""


def pack(a: Ints, b: Ints, c: Ints) -> Ints:
    """Return three integers in one key. [N] int64."""
    return (a << (2 * FIELD)) | (b << FIELD) | c


class KeyNumbers:
    """Gives each new int64 key the next number, and remembers it."""

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.int64)
        self._bits = 10
        self._slots = np.full(1 << self._bits, -1, np.int64)
        self._rank: tuple[Ints, Ints] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def number(self, keys: Ints) -> tuple[Ints, Ints]:
        """Return the number of each key, and one place of each new key.

        Args:
            keys: [N] int64.

        Returns:
            numbers [N] int64 and places [K] int64; new key ``keys[places[k]]`` gets number
            ``len(self) + k``.
        """
        if not len(self):
            numbers, places = distinct(keys)
            self._add(keys[places])
            return numbers, places
        numbers = self._slots[slot_of(keys, self._bits)]
        # An empty slot holds -1 and so names the last key, which is always in a slot of its own.
        missing = np.flatnonzero(self._keys[numbers] != keys)
        if not len(missing):
            return numbers, missing
        numbers[missing] = self._search(keys[missing])
        missing = missing[numbers[missing] < 0]
        fresh, places = distinct(keys[missing])
        numbers[missing] = len(self) + fresh
        places = missing[places]
        self._add(keys[places])
        return numbers, places

    def _search(self, keys: Ints) -> Ints:
        """Return the numbers of keys that were not in their slot, -1 for new keys."""
        if self._rank is None or len(self._rank[0]) != len(self):
            order = np.argsort(self._keys)
            self._rank = (self._keys[order], order)
        ordered, order = self._rank
        at = np.minimum(np.searchsorted(ordered, keys), len(self) - 1)
        return np.where(ordered[at] == keys, order[at], -1)

    def _add(self, new: Ints) -> None:
        if not len(new):
            return
        start = len(self)
        self._keys = np.concatenate([self._keys, new])
        if len(self) * ROOM > len(self._slots):
            self._bits = int(len(self) * ROOM).bit_length()
            self._slots = np.full(1 << self._bits, -1, np.int64)
            start = 0
        self._slots[slot_of(self._keys[start:], self._bits)] = np.arange(start, len(self))


def slot_of(keys: Ints, bits: int) -> Ints:
    """Return a slot below 2**bits for each key. [N] int64."""
    mixed = keys.view(np.uint64) * FACTOR
    return (mixed >> np.uint64(64 - bits)).view(np.int64)


def distinct(keys: Ints) -> tuple[Ints, Ints]:
    """Number the distinct keys.

    Args:
        keys: [N] int64.

    Returns:
        numbers [N] int64 and places [K] int64 with ``keys[places][numbers] == keys``.
    """
    rows = np.arange(len(keys))
    bits = max(10, len(keys).bit_length() + 1)
    holder = np.zeros(1 << bits, np.int64)
    slots = slot_of(keys, bits)
    holder[slots] = rows  # the last row of each slot stays
    same = holder[slots]  # a row with an equal key, except where another key holds the slot
    lost = np.flatnonzero(keys[same] != keys)
    if len(lost):  # few, so these are sorted
        _, first, inverse = np.unique(keys[lost], return_index=True, return_inverse=True)
        same[lost] = lost[first][inverse.reshape(-1)]
    places = np.flatnonzero(same == rows)
    rank = np.empty(len(keys), np.int64)
    rank[places] = np.arange(len(places))
    return rank[same], places
