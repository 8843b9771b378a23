"""Exact numbers for integer keys: equal keys, equal number.

A hash says where to look, and the keys themselves are compared, so two different keys never share a
number. Most keys of a batch belong to many rows, so the rows are not sorted: sorting took most of
the time of the search.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""2**64 / golden ratio: multiplicative hashing (Knuth, TAOCP 3, 6.4)."""
ROOM = 4
"""Slots per key, so that three keys of four are found at the first look."""


class KeyNumbers:
    """Gives each distinct int64 key the next number, and remembers it."""

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.int64)
        self._bits = 10
        self._slots = np.full(1 << self._bits, -1, np.int64)
        self._rank: tuple[Ints, Ints] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def number(self, keys: Ints) -> tuple[Ints, Ints]:
        """Return the number of each key, and a place where each new key is seen.

        Args:
            keys: [N] int64.

        Returns:
            numbers [N] int64 and places [K] int64; the k-th new key gets ``len(self) + k``.
        """
        if not len(self):
            numbers, places = distinct(keys)
            self._add(keys[places])
            return numbers, places
        numbers = self._slots[slot_of(keys, self._bits)]
        missing = np.flatnonzero(self._keys[numbers] != keys)  # -1 is the last key, so it differs
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
        """Return the numbers of keys whose slot another key took, -1 for new ones."""
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
    """Return a place below 2**bits for each key. [N] int64."""
    mixed = keys.view(np.uint64) * FACTOR
    return (mixed >> np.uint64(64 - bits)).view(np.int64)


def distinct(keys: Ints) -> tuple[Ints, Ints]:
    """Number the distinct keys among some.

    Args:
        keys: [N] int64.

    Returns:
        numbers [N] int64 and places [K] int64 with ``keys[places][numbers] == keys``.
    """
    rows = np.arange(len(keys))
    bits = max(10, len(keys).bit_length() + 1)
    holder = np.zeros(1 << bits, np.int64)
    slots = slot_of(keys, bits)
    holder[slots] = rows  # of the rows in a slot the last stays
    agent = holder[slots]
    lost = np.flatnonzero(keys[agent] != keys)
    if len(lost):  # rows whose slot went to another key: few, so these are sorted
        _, first, inverse = np.unique(keys[lost], return_index=True, return_inverse=True)
        agent[lost] = lost[first][inverse.reshape(-1)]
    places = np.flatnonzero(agent == rows)
    rank = np.empty(len(keys), np.int64)
    rank[places] = np.arange(len(places))
    return rank[agent], places
