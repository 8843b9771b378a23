"""Functions on flat arrays, compiled to machine code by Numba when they are first called.

The code is kept beside the module, or in the user's cache folder if that place cannot be written,
so only the first process of an installation compiles it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Return the function, compiled. It may use numbers, NumPy arrays and compiled functions."""
    try:
        return numba.njit(function, cache=True)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder can be written: every process compiles it
        return numba.njit(function)  # type: ignore[no-any-return]
