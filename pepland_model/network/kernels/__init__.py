"""Triton kernels for what would otherwise be several operations on a CUDA device.

Each kernel has a counterpart of plain torch operations, which runs everywhere else. Modules with
kernels are imported only where they run: a CPU needs no Triton.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch

DEVICES = {"cuda"}
"""Types of devices on which kernels run. Tests add ``cpu``, for Triton's interpreter."""


@cache
def _installed() -> bool:
    return find_spec("triton") is not None


def runs_on(device: torch.device) -> bool:
    """Return whether kernels run on a device: one of `DEVICES`, with Triton installed."""
    return device.type in DEVICES and _installed()
