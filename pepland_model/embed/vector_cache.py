"""The vectors of the texts asked for last, within a budget of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt

Key = tuple[Hashable, str]
"""What was asked for, and the text."""
Entry = npt.NDArray[np.float32] | str
"""Its vectors, or why it has none."""
ENTRY_BYTES = 400
"""What a text and its place in the cache take beside the vectors, roughly."""


class VectorCache:
    """Least recently used texts leave first.

    Args:
        max_bytes: of vectors and keys; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.nbytes = max_bytes, 0
        self.hits = self.misses = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Entry | None:
        """Return what was kept under a key, None where nothing was."""
        found = self._entries.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return found

    def put(self, key: Key, value: Entry) -> None:
        """Keep vectors, or the reason why there are none."""
        size = _size(key, value)
        if size > self.max_bytes or key in self._entries:
            return
        self._entries[key] = value
        self.nbytes += size
        while self.nbytes > self.max_bytes:
            self.nbytes -= _size(*self._entries.popitem(last=False))


def _size(key: Key, value: Entry) -> int:
    return ENTRY_BYTES + len(key[1]) + (len(value) if isinstance(value, str) else value.nbytes)
