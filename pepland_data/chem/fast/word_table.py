"""A table that gives numbers to runs of words (int32) and finds many runs at once.

It is a hash table with open addressing. A look-up compares the words themselves, so two runs with
the same hash are never mistaken for each other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pepland_data.chem.compiled import compiled
from pepland_data.chem.fast.ragged import Ragged, with_room

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.int32]
FACTOR = 0x5851F42D4C957F2D
"""An odd number with irregular bits, from Knuth's random numbers."""


class WordTable:
    """Distinct runs of words, numbered in the order they were added.

    The empty run gets a number too, but it is never found.
    """

    def __init__(self) -> None:
        self.clear()

    def __len__(self) -> int:
        return len(self._runs)

    def clear(self) -> None:
        """Forget all runs."""
        self._runs = Ragged(np.int32)
        self._hashes = np.zeros(64, np.int64)
        self._slots = np.full(128, -1, np.int64)

    @property
    def nbytes(self) -> int:
        """Number of bytes of the words of all runs."""
        return self._runs.values.nbytes

    def look_up(self, words: Words, ptr: Ints) -> Ints:
        """Return the number of each run, -1 if it was not added.

        Args:
            words: [W] int32.
            ptr: [K+1] int64, run k is ``words[ptr[k]:ptr[k+1]]``.

        Returns:
            [K] int64.
        """
        hashes = hash_runs(words, ptr)
        stored = self._runs
        return find_runs(words, ptr, hashes, self._slots, self._hashes, stored.values, stored.ptr)

    def add(self, words: Words) -> int:
        """Add a run that is not in the table, and return its number."""
        number = len(self)
        self._runs.append(words)
        self._hashes = with_room(self._hashes, number + 1)
        self._hashes[number] = hash_runs(words, np.array([0, len(words)]))[0]
        if 2 * len(self) > len(self._slots):
            self._slots = np.full(2 * len(self._slots), -1, np.int64)
            place_runs(self._slots, self._hashes, self._runs.ptr, 0)
        else:
            place_runs(self._slots, self._hashes, self._runs.ptr, number)
        return number


@compiled
def hash_runs(words: Words, ptr: Ints) -> Ints:
    """Return a hash of each run. [K] int64."""
    hashes = np.empty(len(ptr) - 1, np.int64)
    for k in range(len(hashes)):
        value = ptr[k + 1] - ptr[k]
        for i in range(ptr[k], ptr[k + 1], 2):  # two words in each step
            value ^= words[i]
            if i + 1 < ptr[k + 1]:
                value ^= np.int64(words[i + 1]) << 32
            value *= FACTOR
            value ^= value >> 32
        hashes[k] = value
    return hashes


@compiled
def place_runs(slots: Ints, hashes: Ints, ptr: Ints, first: int) -> None:
    """Put the numbers of the stored runs from `first` on into free slots; no empty runs."""
    mask = len(slots) - 1
    for number in range(first, len(ptr) - 1):
        if ptr[number] < ptr[number + 1]:
            slot = hashes[number] & mask
            while slots[slot] >= 0:
                slot = (slot + 1) & mask
            slots[slot] = number


@compiled
def find_runs(
    words: Words, ptr: Ints, hashes: Ints, slots: Ints, known: Ints, stored: Words, stored_ptr: Ints
) -> Ints:
    """Return the number of each run among the stored ones, -1 for others.

    Args:
        words: [W] int32.
        ptr: [K+1] int64, pointer by run.
        hashes: [K] int64, hash of each run.
        slots: [power of two] int64, number of a stored run, or -1.
        known: [N or more] int64, hash of each stored run.
        stored: int32, words of the stored runs.
        stored_ptr: [N+1] int64, pointer by stored run.

    Returns:
        [K] int64.
    """
    numbers = np.full(len(hashes), -1, np.int64)
    mask = len(slots) - 1
    for k in range(len(hashes)):
        size = ptr[k + 1] - ptr[k]
        slot = hashes[k] & mask
        while slots[slot] >= 0:
            number = slots[slot]
            start = stored_ptr[number]
            if known[number] == hashes[k] and stored_ptr[number + 1] - start == size:
                one, other = stored[start : start + size], words[ptr[k] : ptr[k + 1]]
                different = np.int32(0)  # no early end: the processor compares many at once
                for i in range(size):
                    different |= one[i] ^ other[i]
                if different == 0:
                    numbers[k] = number
                    break
            slot = (slot + 1) & mask
    return numbers
