"""Profile training steps: the most expensive operations, what limits the speed, and a remedy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

REMEDIES = {
    "data": "choose another --tier (device, if the graphs fit on the GPU); `pepland-bench loader "
    "STORE` shows what the steps wait for",
    "memory": "there is no room for a larger batch: use --activation-checkpointing, --accumulate "
    "or a smaller --batch-size",
    "host": "use a larger --batch-size, and on a GPU --graph auto; more CPU threads do not speed "
    "up Python",
    "device": "use --precision bf16 on a GPU, --dedup auto, or a larger --batch-size, which has "
    "more equal states",
}
"""What to do about each limit."""


@dataclass(frozen=True)
class Operation:
    """One operator of torch; on a GPU one kernel, as a recorded step has no operators."""

    name: str
    step_ms: float
    """Own time per step in milliseconds, without the operations that it calls."""
    share: float
    """Share of the wall time of a step."""
    calls: float
    """Calls per step."""


@dataclass(frozen=True)
class Profile:
    """The result of profiling some steps."""

    operations: list[Operation]
    """Most expensive first."""
    step_ms: float
    """Wall time per step in milliseconds."""
    waiting_share: float
    """Share of the wall time spent waiting for batches."""
    busy_share: float
    """Share of the wall time in which the device computed; on a CPU, in operations of torch."""
    memory_share: float
    """Peak of the allocated memory as a share of the card's; 0 on a CPU."""
    trace: Path
    """Chrome trace."""

    @property
    def limit(self) -> str:
        """What limits the speed, see `bottleneck`."""
        return bottleneck(self.waiting_share, self.busy_share, self.memory_share)

    def text(self) -> str:
        """Return the most expensive operations, what limits the speed, and what to do about it."""
        rows = [
            f"{op.step_ms:9.2f} {op.share:7.1%} {op.calls:9.1f}  {op.name[:80]}"
            for op in self.operations
        ]
        memory = f", {self.memory_share:.0%} of its memory used" if self.memory_share else ""
        return "\n".join([
            "most expensive operations, own time per step:",
            f"{'ms':>9} {'share':>7} {'calls':>9}  name", *rows,
            f"{self.step_ms:.1f} ms per step, {self.waiting_share:.1%} waiting for data, device "
            f"busy {self.busy_share:.0%}{memory}; trace: {self.trace}",
            f"the {self.limit} limits the speed: {REMEDIES[self.limit]}",
        ])  # fmt: skip


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
    step_ms = 1e3 * (time.perf_counter() - began) / steps
    folder.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(folder / "trace.json"))
    found = operations(profiler.key_averages(), steps, step_ms, device)
    waiting, busy = 1e3 * waited / steps / step_ms, min(1.0, sum(op.share for op in found))
    trace = folder / "trace.json"
    return Profile(found[:10], step_ms, waiting, busy, memory_share(device), trace)


def operations(
    averages: Iterable[Any], steps: int, step_ms: float, device: torch.device
) -> list[Operation]:
    """Return what ran on a device, most expensive first, each piece of time once.

    Args:
        averages: of the profiler. On a GPU it gives the time of a kernel to the operator that
            started it too, and to marks that a user sets; both are left out.
        steps: number of profiled steps.
        step_ms: wall time per step in milliseconds.
        device: device of the run.
    """
    cuda = device.type == "cuda"
    found = []
    for a in averages:
        if a.device_type.name == device.type.upper() and not a.is_user_annotation:
            us = a.self_device_time_total if cuda else a.self_cpu_time_total
            ms = us / 1e3 / steps
            found.append(Operation(a.key, ms, ms / step_ms, a.count / steps))
    return sorted(found, key=lambda op: -op.step_ms)


def memory_share(device: torch.device) -> float:
    """Return the peak of the allocated memory as a share of the card's; 0 on a CPU."""
    if device.type != "cuda":
        return 0.0
    total: int = torch.cuda.get_device_properties(device).total_memory
    return torch.cuda.max_memory_allocated(device) / total


def bottleneck(waiting: float, busy: float, memory: float = 0.0) -> str:
    """Return what limits the speed, a key of `REMEDIES`.

    ``host`` is Python between the operations. ``memory`` comes before ``host`` and ``device``, as
    a larger batch helps against both.

    Args:
        waiting: share of the time spent waiting for data.
        busy: share of the time in which the device computed.
        memory: share of the card's memory in use.
    """
    if waiting > 0.1:
        return "data"
    if memory > 0.9:
        return "memory"
    return "host" if busy < 0.7 else "device"
