"""Where the time of a training step goes, and what limits it."""

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
    """Name, own time in milliseconds a step, calls a step; dearest first."""
    step_ms: float
    """Wall time a step."""
    waiting_share: float
    """Share of it spent waiting for batches."""
    busy_share: float
    """Share of it in which the device computed; on a CPU, the share spent in torch's operations."""
    limit: str
    """What limits: ``data``, ``host`` (Python between the operations) or ``device``."""
    trace: Path
    """Chrome trace."""

    def text(self) -> str:
        """Return the ten dearest operations and the verdict."""
        rows = [f"{ms:9.2f} ms  {calls:6d} x  {name}" for name, ms, calls in self.operations]
        verdict = (
            f"{self.step_ms:.1f} ms a step, {self.waiting_share:.1%} waiting for data, device busy "
            f"{self.busy_share:.0%}: the {self.limit} limits; trace in {self.trace}"
        )
        return "\n".join(["dearest operations a step (own time):", *rows, verdict])


def profile_steps(
    step: Callable[[], float], steps: int, folder: Path, device: torch.device
) -> Profile:
    """Profile some steps and write a Chrome trace.

    Args:
        step: does one step, returns the seconds it waited for data.
        steps: how many.
        folder: where ``trace.json`` goes.
        device: what is profiled beside the host.
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
    limit = limiting(waited / wall, busy)
    busy = min(1.0, busy)
    return Profile(rows, 1e3 * wall / steps, waited / wall, busy, limit, folder / "trace.json")


def _own_us(average: Any, device: torch.device) -> float:
    cuda = device.type == "cuda"
    return float(average.self_device_time_total if cuda else average.self_cpu_time_total)


def limiting(waiting: float, busy: float) -> str:
    """Return what limits, from the shares of the time spent waiting and computing."""
    if waiting > 0.1:
        return "data"
    return "host" if busy < 0.7 else "device"
