"""Host memory for batches, used again as soon as its batch is no longer referenced.

Fresh memory costs a page fault every 4 KiB when it is first written. A block is free again when no
array or tensor refers to it, however indirectly, so a consumer may keep batches as long as it
likes.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

ROOM = 1.25
"""A block that has to grow gets this much more than it needs, so that it does so rarely."""
_IDLE = 2
"""References to a block in no use: the list's, and the question's."""


class HostBuffers:
    """HostBuffers of one thread; not to be shared by two.

    Args:
        most: blocks kept; what is asked for while all of them are held is made and forgotten.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: list[npt.NDArray[np.uint8]] = []

    def take(self, nbytes: int) -> npt.NDArray[np.uint8]:
        """Return an unused block of at least `nbytes`, its content undefined. uint8."""
        for place in range(len(self._kept)):
            if sys.getrefcount(self._kept[place]) == _IDLE:
                if len(self._kept[place]) < nbytes:
                    self._kept[place] = _fresh(nbytes)
                return self._kept[place][:nbytes]
        block = _fresh(nbytes)
        if len(self._kept) < self.most:
            self._kept.append(block)
        return block[:nbytes]


def _fresh(nbytes: int) -> npt.NDArray[np.uint8]:
    return np.empty(int(nbytes * ROOM), np.uint8)
