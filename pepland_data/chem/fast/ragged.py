"""A growing list of integer runs, always ready as flat arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Ragged:
    """Runs of integers of different lengths, numbered in the order they were added."""

    def __init__(self, dtype: type[np.integer[Any]] = np.int64) -> None:
        """Start without runs."""
        self._values, self._ptr = np.zeros(64, dtype), np.zeros(64, np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def ptr(self) -> Ints:
        """[N+1] int64, run i is ``values[ptr[i]:ptr[i+1]]``."""
        return self._ptr[: self._count + 1]

    @property
    def values(self) -> npt.NDArray[Any]:
        """[sum of lengths] of the given dtype, all runs one after the other."""
        return self._values[: self._ptr[self._count]]

    def append(self, run: npt.ArrayLike) -> None:
        """Add a run."""
        run = np.asarray(run)
        start = int(self._ptr[self._count])
        stop = start + len(run)
        self._count += 1
        self._values = with_room(self._values, stop)
        self._ptr = with_room(self._ptr, self._count + 1)
        self._values[start:stop] = run
        self._ptr[self._count] = stop


def with_room(array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """Return the array, or a copy of at least twice its size if it is shorter than `size`."""
    if size <= len(array):
        return array
    larger = np.zeros(max(size, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger
