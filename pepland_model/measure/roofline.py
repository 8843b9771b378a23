"""The least time of a computation: FLOPs and bytes are counted, ceilings are measured.

This is the roofline model (Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785) for
each operator. An operator takes at least the time of its FLOPs at the speed of the best matrix
product, and at least the time of the bytes that it reads and writes at the speed of the best copy.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
GATHERS = {aten.index_select, aten.embedding, aten.index, aten._embedding_bag,
           aten._embedding_bag_forward_only}  # fmt: skip
"""Operators that read rows of their first argument: one for each output row or index."""
PRODUCTS = {aten.mm, aten.addmm, aten.bmm, aten.baddbmm}


@dataclass(frozen=True)
class Ceilings:
    """Measured limits of a device."""

    gflops: float
    """Best matrix product, 1e9 FLOP per second."""
    gbs: float
    """Best copy, 1e9 bytes read and written per second."""

    def seconds(self, flops: float, moved: float) -> float:
        """Return the least time of FLOPs and bytes that overlap perfectly."""
        return max(flops / self.gflops, moved / self.gbs) / 1e9


@dataclass
class Counter(TorchDispatchMode):
    """Counts the operators that run inside ``with Counter(...) as c:``, backward passes included.

    Work outside of torch, such as keys in numpy, is not counted.
    """

    ceilings: Ceilings
    flops: float = 0.0
    """FLOPs of matrix products."""
    moved: float = 0.0
    """Bytes that operators read and write: each tensor once per operator, no views."""
    seconds: float = 0.0
    """Sum of the least times of the operators."""
    products: dict[str, float] = field(default_factory=dict)
    """Least seconds of matrix products, and of all other operators."""

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products = {"products": 0.0, "other": 0.0}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and count it."""
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            self._count(func._overloadpacket, args, kwargs or {}, out)
        return out

    def _count(self, packet: Any, args: Any, kwargs: Any, out: Any) -> None:
        flops, moved = work(packet, args, kwargs, out)
        least = self.ceilings.seconds(flops, moved)
        self.flops += flops
        self.moved += moved
        self.seconds += least
        self.products["products" if packet in PRODUCTS else "other"] += least


def work(packet: Any, args: Any, kwargs: Any, out: Any) -> tuple[float, int]:
    """Return the FLOPs of matrix products, and the bytes read and written, of an operator."""
    flops = 0.0
    if packet in flop_registry:
        flops = float(flop_registry[packet](*args, **kwargs, out_val=out))
    read = gathered(args, out) if packet in GATHERS else nbytes((args, kwargs))
    return flops, nbytes(out) + read


def nbytes(values: Any) -> int:
    """Return the bytes of all tensors in nested arguments."""
    return sum(v.numel() * v.element_size() for v in tree_leaves(values) if isinstance(v, Tensor))


def gathered(args: Any, out: Any) -> int:
    """Return the bytes that a gather reads: one row for each index, and the indices."""
    tensors = [t for t in tree_leaves(args) if isinstance(t, Tensor)]
    indices = [t for t in tensors if not t.is_floating_point()]
    row = max((t[:1].numel() * t.element_size() for t in tensors if t.is_floating_point()),
              default=0)  # fmt: skip
    rows = max((t.numel() for t in indices), default=0)
    return min(row * rows, nbytes(tensors)) + nbytes(indices) if rows else nbytes(out)


def measure_ceilings(
    device: torch.device,
    dtype: torch.dtype,
    seconds: float = 0.6,
    clock: Callable[[], float] = time.perf_counter,
) -> Ceilings:
    """Measure the best of some matrix products, and the best copy.

    Args:
        device: device to measure.
        dtype: dtype of the matrices; copies are of bytes.
        seconds: time for the products, and again for the copies.
        clock: as of `times`.
    """
    best = 0.0
    for rows, inner, columns in ((16384, 300, 300), (16384, 300, 640), (1024, 1024, 1024)):
        a = torch.randn(rows, inner, device=device).to(dtype)
        b = torch.randn(inner, columns, device=device).to(dtype)
        found = times(partial(torch.mm, a, b, out=a @ b), device, seconds / 3, 3, clock=clock)
        best = max(best, 2 * rows * inner * columns / min(found))
    size = 2**28 if device.type == "cpu" else 2**31
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copies = times(lambda: target.copy_(source), device, seconds, 3, clock=clock)
    return Ceilings(best / 1e9, 2 * size / min(copies) / 1e9)


def times(
    run: Callable[[], Any],
    device: torch.device,
    seconds: float,
    least: int,
    before: Callable[[], Any] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Return the times of some calls, after one call to warm up.

    Args:
        run: function to measure.
        device: synchronised before and after each call.
        seconds: time for all calls.
        least: number of calls to make even if they take longer.
        before: called before each call, not measured.
        clock: returns seconds: wall time, or processor time on a machine with other load.
    """
    found: list[float] = []
    for i in range(10_000):
        if before is not None:
            before()
        wait(device)
        began = clock()
        run()
        wait(device)
        if i:
            found.append(clock() - began)
        if len(found) >= least and sum(found) >= seconds:
            break
    return found


def wait(device: torch.device) -> None:
    """Wait until the device has finished all work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def spread(seconds: list[float], items: int) -> dict[str, float]:
    """Return items per second: median, lowest and highest, with four digits."""
    rates = [items / s for s in seconds]
    found = {"median": statistics.median(rates), "low": min(rates), "high": max(rates)}
    return {k: round(v, 3 - math.floor(math.log10(v))) for k, v in found.items()}
