"""Arrow arrays from numpy arrays and texts, made without importing pandas.

``pa.array`` imports pandas, if installed, to check whether its argument is a Series. This import
takes longer than the rest of the start of a build, and costs memory in every worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pepland_data.graph.columns import pointers


def numbers(values: npt.ArrayLike) -> Any:
    """Return numbers as an Arrow array of the same dtype, without a copy if they are contiguous.

    Args:
        values: [N], integers or floats of any dtype.
    """
    array = np.ascontiguousarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise TypeError(
            f"an array of {array.dtype} with shape {list(array.shape)}; "
            "expected one dimension of integers or floats"
        )
    kind = pa.from_numpy_dtype(array.dtype)
    return pa.Array.from_buffers(kind, len(array), [None, pa.py_buffer(array)])


def flags(values: npt.NDArray[np.bool_]) -> Any:
    """Return [N] bool as an Arrow array."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def texts(values: Sequence[str | None]) -> Any:
    """Return texts as a ``large_string`` array; None becomes a null.

    Raises:
        UnicodeEncodeError: a text has no UTF-8 form.
    """
    data = [b"" if value is None else value.encode() for value in values]
    offsets = pointers([len(one) for one in data])
    valid = None
    if any(value is None for value in values):
        given = np.array([value is not None for value in values])
        valid = pa.py_buffer(np.packbits(given, bitorder="little"))
    parts = [valid, pa.py_buffer(offsets), pa.py_buffer(b"".join(data))]
    return pa.Array.from_buffers(pa.large_string(), len(data), parts)
