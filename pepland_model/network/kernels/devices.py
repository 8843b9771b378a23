"""Where kernels run."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch

DEVICES = {"cuda"}
"""Types of devices on which kernels run. Tests add ``cpu``, for Triton's interpreter."""


@cache
def _installed() -> bool:
    """Return whether there is a Triton that takes tuples of tuples as arguments."""
    if find_spec("triton") is None:
        return False
    import triton

    return tuple(map(int, triton.__version__.split(".")[:2])) >= (3, 6)


@cache
def _is_new_enough(index: int | None) -> bool:
    """Return whether Triton has programs for a card, which it has from compute capability 7.0."""
    return not torch.cuda.is_available() or torch.cuda.get_device_capability(index) >= (7, 0)


def runs_on(device: torch.device) -> bool:
    """Return whether kernels run on a device: one of `DEVICES`, with Triton installed.

    ``torch.compile`` traces the operators of PyTorch instead.
    """
    if device.type not in DEVICES or torch.compiler.is_compiling() or not _installed():
        return False
    return device.type != "cuda" or _is_new_enough(device.index)
