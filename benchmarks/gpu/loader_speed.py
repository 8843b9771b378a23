"""Does the card ever wait for batches? Every tier alone, and beside steps of known length."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.budget import Budget
from pepland_data import GraphLoader
from pepland_data.loader.measure import iterate, step_of_length

TIERS = ("device", "host", "mmap")
STEPS_MS = (3, 5)
"""Length of the steps during which the next batch has to be made."""


def loader_speed(bench: Bench, budget: Budget) -> dict[str, Any]:
    """Return rows of tiers and batch sizes, and whether the device tier makes the host wait."""
    rows = [
        budget.row(lambda **given: tier_speed(bench, **given), tier=tier, batch=size)
        for size in bench.sizes(512, 2048) for tier in TIERS
    ]  # fmt: skip
    found: dict[str, Any] = {"rows": rows}
    if bench.cuda:
        size = bench.sizes(512)[0]
        found["device_tier"] = budget.row(lambda: {"synchronises": synchronises(bench, size)})
    return found


def tier_speed(bench: Bench, tier: str, batch: int) -> dict[str, Any]:
    """Return graphs per second alone, and the share of waiting beside each step."""
    loader = GraphLoader(bench.store, batch, device=bench.device, tier=tier)
    seconds = bench.seconds(1.5)
    alone = iterate(loader, seconds, lambda: None)
    found: dict[str, Any] = {"graphs_per_s": round(alone.graphs_per_s, 1), "limit": alone.limit,
                             "bytes_per_graph": round(alone.bytes / alone.graphs, 1)}  # fmt: skip
    for ms in STEPS_MS:
        seen = iterate(loader, seconds, step_of_length(bench.device, ms / 1e3))
        shares = {"host_waits": seen.waiting_share, "device_idle": seen.device_idle_share or 0.0}
        found[f"beside_{ms}_ms"] = {name: round(share, 4) for name, share in shares.items()}
    return found


def synchronises(bench: Bench, batch: int) -> bool:
    """Return whether the host waits for the GPU during an epoch of the device tier."""
    loader = GraphLoader(bench.store, batch, tier="device", device=bench.device)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in loader:
            pass
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False
