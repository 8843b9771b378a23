"""Joining many segments of bytes with one ``take`` of Arrow.

It is a loop in C that runs without the lock of Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pepland_data.store.arrow_arrays import numbers

Rows = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def binary(data: Any, ptr: Rows) -> Any:
    """Return bytes with the pointers of their segments as an Arrow array, without a copy.

    Args:
        data: a buffer.
        ptr: [N+1] int64.
    """
    buffers = [None, pa.py_buffer(ptr), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(ptr) - 1, buffers)


def taken(segments: Any, places: Rows) -> Bytes:
    """Return the concatenated bytes of some segments of a `binary` array. [bytes] uint8.

    Args:
        segments: N segments.
        places: [K] int64; IndexError outside 0..N-1.
    """
    array = segments.take(numbers(places))
    _, ptr, data = array.buffers()
    ends = np.frombuffer(ptr, np.int64, len(array) + 1, 8 * array.offset)
    if data is None:
        return np.zeros(0, np.uint8)
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]


def taken_at(addresses: Rows, lengths: Rows) -> Bytes:
    """Return the concatenated bytes of segments of the memory of this process. [bytes] uint8.

    A take reads the two pointers of a segment and nothing between segments, so the pointers of an
    array over the whole memory need no order. Their last one only says how much is expected.

    Args:
        addresses: [N] int64, first byte of each segment. All of them must be readable: the caller
            compares them with the arrays that they are in.
        lengths: [N] int64, bytes of each segment.
    """
    count, total = len(lengths), int(lengths.sum())
    if not total:
        return np.zeros(0, np.uint8)
    base = int(addresses.min())
    ptr = np.zeros(2 * count + 2, np.int64)
    np.subtract(addresses, base, out=ptr[1:-1:2])
    np.add(ptr[1:-1:2], lengths, out=ptr[2:-1:2])
    ptr[-1] = total * (2 * count + 1) // count + 2 * count
    memory = pa.foreign_buffer(base, int(ptr.max()))
    return taken(binary(memory, ptr), np.arange(1, 2 * count + 1, 2))
