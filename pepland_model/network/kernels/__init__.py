"""Triton kernels for what would otherwise be several operations on a CUDA device.

Each kernel has a counterpart of plain torch operations, which runs everywhere else. Modules with
kernels are imported only where they run: a CPU needs no Triton.

    gather_sum    sums over takers, up to three in a launch: the gradients of all that takes rows
    attention     attention over the entries of each node
    message       relu(x[code] + a[src] - b[reverse])
    residual      rows + table[index] + ..., where a segment has entries
    segment_rows  the sum of taken rows over segments
    taken_sum     the forward pass of messages and residuals
    jobs          what the launches of `gather_sum` are told
    masks         the masked atoms and fragments of a batch, by `smallest_keys`
    csr           directed edges, sorted by destination
    number_rows   a hash table, and numbers for its keys
    search_levels the levels of the search for equal states
    distinct      classes of equal keys
    *_kernels     the Triton programs
"""

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


def runs_on(device: torch.device) -> bool:
    """Return whether kernels run on a device: one of `DEVICES`, with Triton installed.

    ``torch.compile`` traces the operators of PyTorch instead.
    """
    return device.type in DEVICES and not torch.compiler.is_compiling() and _installed()
