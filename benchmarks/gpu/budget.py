"""The time of a part of a benchmark, and failures that end one row and not the run."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


class Budget:
    """Seconds that a part may take; what does not fit is left out, and says so."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at the least."""
        return max(0.0, self.seconds - self.spent)

    def row(self, measure: Callable[..., Mapping[str, Any]], **given: Any) -> dict[str, Any]:
        """Return what is given with what was measured of it, or with why it was not."""
        if not self.left:
            return {**given, "left_out": f"the part had used its {self.seconds:.0f} s"}
        began = time.perf_counter()
        found = attempt(lambda: measure(**given))
        return {**given, **found, "took_s": round(time.perf_counter() - began, 2)}


def attempt(measure: Callable[[], Any]) -> Any:
    """Return the result of a function, or ``{"failed": first line}``; memory is freed after it."""
    try:
        return measure()
    except Exception as error:
        return {"failed": reason(error)}
    finally:
        gc.collect()
        if torch.cuda.is_initialized() and is_alive():
            torch.cuda.empty_cache()


def reason(error: BaseException) -> str:
    """Return the kind of an error and its first line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:400]


def is_alive() -> bool:
    """Return whether the device still answers; after an illegal access none of a process does."""
    if not torch.cuda.is_initialized():
        return True
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True
