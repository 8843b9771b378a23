"""The vectors of recently embedded texts, in a limited number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt

Key = tuple[Hashable, str]
"""Which vectors, and the text."""
Result = npt.NDArray[np.float32] | str
"""Vectors of a text, [rows, d], or the reason why it has none."""
OVERHEAD_BYTES = 400
"""Estimate of what a cached text needs in addition to the bytes of its characters and vectors."""


class VectorCache:
    """Removes the least recently used texts when it is full.

    Args:
        max_bytes: limit for vectors and texts; with 0 nothing is cached.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.nbytes = max_bytes, 0
        self.hits = self.misses = 0
        self._results: OrderedDict[Key, Result] = OrderedDict()

    def __len__(self) -> int:
        return len(self._results)

    def get(self, key: Key) -> Result | None:
        """Return the result of a key, None where it is not cached."""
        result = self._results.get(key)
        if result is None:
            self.misses += 1
            return None
        self.hits += 1
        self._results.move_to_end(key)
        return result

    def put(self, key: Key, result: Result) -> None:
        """Add a result."""
        size = _size(key, result)
        if size > self.max_bytes or key in self._results:
            return
        self._results[key] = result
        self.nbytes += size
        while self.nbytes > self.max_bytes:
            self.nbytes -= _size(*self._results.popitem(last=False))


def _size(key: Key, result: Result) -> int:
    nbytes = len(result) if isinstance(result, str) else result.nbytes
    return OVERHEAD_BYTES + len(key[1]) + nbytes
