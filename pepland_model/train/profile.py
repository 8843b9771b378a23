"""Profile training steps: the most expensive operations, and what limits the speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Profile:
    """The result of profiling some steps."""

    operations: list[tuple[str, float, int]]
    """Name, own time in milliseconds per step, calls per step; most expensive first."""
    step_ms: float
    """Wall time per step in milliseconds."""
    waiting_share: float
    """Share of the wall time spent waiting for batches."""
    busy_share: float
    """Share of the wall time in which the device computed; on a CPU, in operations of torch."""
    limit: str
    """What limits the speed: ``data``, ``host`` (Python between the operations) or ``device``."""
    trace: Path
    """Chrome trace."""

    def text(self) -> str:
        """Return the most expensive operations and what limits the speed."""
        rows = [f"{ms:9.2f} ms  {calls:6d} x  {name}" for name, ms, calls in self.operations]
        result = (
            f"{self.step_ms:.1f} ms per step, {self.waiting_share:.1%} waiting for data, device "
            f"busy {self.busy_share:.0%}: the {self.limit} limits the speed; trace: {self.trace}"
        )
        return "\n".join(["most expensive operations per step (own time):", *rows, result])


def profile_steps(
    step: Callable[[], float], steps: int, folder: Path, device: torch.device
) -> Profile:
    """Run some steps under the profiler, and write a Chrome trace.

    Args:
        step: runs one step and returns the seconds it waited for data.
        steps: number of steps.
        folder: where ``trace.json`` is written.
        device: device of the run.
    """
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    began = time.perf_counter()
    waited = 0.0
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(steps):
            waited += step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    wall = time.perf_counter() - began
    folder.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(folder / "trace.json"))
    averages = list(profiler.key_averages())
    busy = sum(_own_us(a, device) for a in averages) / 1e6 / wall
    top = sorted(averages, key=lambda a: -_own_us(a, device))[:10]
    rows = [(a.key, _own_us(a, device) / 1e3 / steps, a.count // steps) for a in top]
    limit = bottleneck(waited / wall, busy)
    busy = min(1.0, busy)
    return Profile(rows, 1e3 * wall / steps, waited / wall, busy, limit, folder / "trace.json")


def _own_us(average: Any, device: torch.device) -> float:
    cuda = device.type == "cuda"
    return float(average.self_device_time_total if cuda else average.self_cpu_time_total)


def bottleneck(waiting: float, busy: float) -> str:
    """Return what limits the speed, from the shares of time spent waiting and computing."""
    if waiting > 0.1:
        return "data"
    return "host" if busy < 0.7 else "device"
