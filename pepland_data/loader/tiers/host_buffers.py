"""Host memory for batches, used again as soon as its batch is no longer referenced.

New memory costs a page fault for every 4 KiB when it is first written. A block is free again when
no array or tensor refers to it, directly or indirectly, so a consumer may keep a batch for any
time.
"""

from __future__ import annotations

import sys
import threading

import numpy as np
import numpy.typing as npt

ROOM = 1.25
"""A block that must grow becomes larger than needed by this factor, so that it grows rarely."""
_IDLE = 2
"""References to an unused block: that of the list, and that of the call which counts them."""


class HostBuffers:
    """A pool of blocks; any thread may take one.

    Args:
        most: blocks that are kept; if all of them are in use, further blocks are not kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: list[npt.NDArray[np.uint8]] = []
        self._taking = threading.Lock()

    def take(self, nbytes: int) -> npt.NDArray[np.uint8]:
        """Return an unused block of `nbytes`, its content undefined. [nbytes] uint8."""
        with self._taking:  # a call that counts references must not see those of another call
            return self._take(nbytes)

    def _take(self, nbytes: int) -> npt.NDArray[np.uint8]:
        for place in range(len(self._kept)):
            if sys.getrefcount(self._kept[place]) == _IDLE:
                if len(self._kept[place]) < nbytes:
                    self._kept[place] = _new_block(nbytes)
                return self._kept[place][:nbytes]
        block = _new_block(nbytes)
        if len(self._kept) < self.most:
            self._kept.append(block)
        return block[:nbytes]


def _new_block(nbytes: int) -> npt.NDArray[np.uint8]:
    return np.empty(int(nbytes * ROOM), np.uint8)
