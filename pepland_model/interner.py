"""Exact numbers for integer keys: equal keys, equal number; no hash that could collide."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Interner:
    """Gives each distinct int64 key the next number, and remembers it."""

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.int64)
        self._numbers = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._keys)

    def number(self, keys: Ints) -> tuple[Ints, Ints]:
        """Return the number of each key, and where each new key is seen first.

        Args:
            keys: [N] int64.

        Returns:
            numbers [N] int64 and places [K] int64; the k-th new key gets ``len(self) + k``.
        """
        if not len(self):
            distinct, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
            self._keys, self._numbers = distinct, np.arange(len(distinct))
            return numbers.reshape(-1), first
        place = np.minimum(np.searchsorted(self._keys, keys), len(self) - 1)
        numbers = self._numbers[place]
        missing = np.flatnonzero(self._keys[place] != keys)
        if not len(missing):
            return numbers, missing
        distinct, first, inverse = np.unique(keys[missing], return_index=True, return_inverse=True)
        numbers[missing] = len(self) + inverse.reshape(-1)
        self._insert(distinct)
        return numbers, missing[first]

    def _insert(self, distinct: Ints) -> None:
        new = np.arange(len(self), len(self) + len(distinct))
        at = np.searchsorted(self._keys, distinct)
        self._keys = np.insert(self._keys, at, distinct)
        self._numbers = np.insert(self._numbers, at, new)
