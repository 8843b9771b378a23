"""Memory in use while a program runs, tensor by tensor, as the allocator of CUDA counts it."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

BLOCK = 512
"""Bytes. The allocator rounds each tensor up to a multiple (CUDACachingAllocator.cpp)."""


class LiveMemory:
    """Follows the memory of tensors from their creation to their end.

    It counts bytes, not addresses, so it works for tensors that have a shape and no memory. What an
    operator takes and gives back before it ends, such as the buffer of a sum, is not seen.
    """

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        """Part of the program -> bytes of its tensors that are in use."""
        self._known: dict[int, weakref.ref[Any]] = {}
        self.forget()

    def forget(self) -> None:
        """Start a new peak: what is in use now."""
        self.peak = Counter(self.now)
        """Part -> bytes in use when most were."""
        self._most = self._total = sum(self.now.values())

    def note(self, values: Any, part: str) -> None:
        """Follow all tensors in nested values that a part of the program has made."""
        for leaf in tree_leaves(values):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage(), part)
        if self._total > self._most:
            self._most, self.peak = self._total, Counter(self.now)

    def _add(self, storage: Any, part: str) -> None:
        key = storage._cdata
        if key in self._known:
            return
        size = -(-storage.nbytes() // BLOCK) * BLOCK

        def ended(_: Any) -> None:
            del self._known[key]
            self._change(part, -size)

        self._known[key] = weakref.ref(storage, ended)
        self._change(part, size)

    def _change(self, part: str, size: int) -> None:
        self.now[part] += size
        self._total += size
