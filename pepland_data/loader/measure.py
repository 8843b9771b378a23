"""Measure a loader on real stores: at full speed, and with a step of known length."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from pepland_data.errors import InputError
from pepland_data.loader.graph_loader import GraphLoader
from pepland_data.loader.meter import LoadReport
from pepland_data.store.graph_store import GraphStore

WARM_UP_STEPS = 5


def measure(
    stores: Sequence[GraphStore],
    batch_size: int,
    tier: str,
    device: str,
    step_s: float,
    seconds: float,
) -> dict[str, Any]:
    """Return the speed of a loader alone, and the time that a step waits for it.

    On a CPU the step sleeps, so that the loader has a core; on a GPU it keeps the device busy.

    Args:
        stores: opened stores.
        batch_size: graphs per batch.
        tier: as of `GraphLoader`.
        device: ``auto``, ``cpu`` or ``cuda``.
        step_s: length of the step in seconds.
        seconds: length of each of the two measurements.

    Returns:
        JSON values: ``alone`` and ``with_step`` hold `LoadReport.as_dict`. ``starved_share`` is the
        larger of two shares: of the time the consumer waited, and of the time the device was idle.

    Raises:
        InputError: the stores hold no graphs, or the device does not exist.
    """
    home = device_of(device)
    loader = GraphLoader(stores, batch_size, device=home, tier=tier)
    if not loader.num_graphs:
        raise InputError("the stores hold no graphs; there is nothing to measure")
    alone = iterate(loader, seconds, lambda: None)
    stepped = iterate(loader, seconds, step_of_length(home, step_s))
    starved = max(stepped.waiting_share, stepped.device_idle_share or 0.0)
    return {
        "stores": [str(store.path) for store in stores],
        "graphs": loader.num_graphs,
        "batch_size": batch_size,
        "device": str(home),
        "tier": loader.tier,
        "tier_reason": loader.tier_reason,
        "step_ms": step_s * 1e3,
        "alone": alone.as_dict(),
        "with_step": {**stepped.as_dict(), "starved_share": starved},
    }


def iterate(loader: GraphLoader, seconds: float, step: Callable[[], None]) -> LoadReport:
    """Iterate for some seconds, over several epochs if needed, and return the meter's report.

    The first few steps open shards and fill buffers; they are not counted.
    """
    steps, ends = 0, float("inf")
    while True:
        for batch in loader:
            if steps == WARM_UP_STEPS:
                loader.meter.reset()
                ends = time.perf_counter() + seconds
            if time.perf_counter() > ends:
                return loader.meter.report()
            assert batch.num_graphs
            step()
            steps += 1


def device_of(name: str) -> torch.device:
    """Return the device ``auto``, ``cpu`` or ``cuda`` with an optional number.

    Raises:
        InputError: another name, or no CUDA device is available.
    """
    available = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    if name.startswith("cuda") and not available:
        raise InputError(
            f"device {name!r} is not available; use --device cpu, or a torch build with CUDA"
        )
    if name != "cpu" and not name.startswith("cuda"):
        raise InputError(f"unknown device {name!r}; expected auto, cpu or cuda")
    return torch.device(name)


def step_of_length(device: torch.device, seconds: float) -> Callable[[], None]:
    """Return a step of a known length: a CPU sleeps, a GPU is kept busy."""
    if device.type == "cpu":
        return lambda: time.sleep(seconds)
    cycles = int(seconds * _cycles_per_second(device))

    def busy() -> None:
        with torch.cuda.device(device):
            torch.cuda._sleep(cycles)  # type: ignore[no-untyped-call]
        torch.cuda.current_stream(device).synchronize()

    return busy


def _cycles_per_second(device: torch.device, cycles: int = 20_000_000) -> float:
    """Measure how fast a GPU counts; the clock rate that it reports can differ."""
    ends = [torch.cuda.Event(enable_timing=True) for _ in range(2)]  # type: ignore[no-untyped-call]
    with torch.cuda.device(device):
        for end in ends:  # the first one raises the clock rate
            torch.cuda._sleep(cycles)  # type: ignore[no-untyped-call]
            end.record()
    ends[1].synchronize()
    return cycles / (float(ends[0].elapsed_time(ends[1])) / 1e3)
