"""Reuse freed memory on a CPU instead of returning it to the system.

Each pass of a network on a CPU allocates and frees tensors of tens of megabytes. The C library of
Linux returns freed blocks above 32 MiB to the system at once, and the system fills new ones with
zeros page by page: one page fault for every 4 KiB. The options below make the library keep them.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Options of ``mallopt``, from glibc's malloc.h."""
SETTINGS = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1))
"""Map no block on its own, and do not return memory from the end of the heap."""


def keep_freed_memory() -> bool:
    """Make this process reuse the memory it frees; its size then stays at its peak.

    Returns:
        Whether it is supported: only on Linux with glibc.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(bool(mallopt(option, value)) for option, value in SETTINGS)
