"""Freed memory that is used again, on a CPU.

Each pass of a network on a CPU allocates and frees tensors of tens of megabytes. The C library of
Linux gives blocks above 32 MiB back to the system at once, and the system hands out the next ones
page by page, zeroed: a fault for every 4 KiB. Told to keep them, it does so.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Options of ``mallopt``, from glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Make this process reuse the memory it frees; its size then stays at its peak.

    Returns:
        Whether it was possible: only on Linux with glibc.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(bool(mallopt(option, value)) for option, value in SETTINGS)


SETTINGS = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1))
"""No block is mapped on its own, and the heap is not cut off at its end."""
