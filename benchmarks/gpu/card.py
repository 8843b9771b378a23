"""What a result belongs to: card, versions, and what the store and the network hold."""

from __future__ import annotations

import re
import statistics
import subprocess
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.bench import CPU, Bench

ASKED = (
    "name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.mem,pcie.link.gen.max"
)
WATTS = "power.draw,clocks.sm,temperature.gpu"


def short_name(device: torch.device) -> str:
    """Return a name for files: ``h100-80gb-hbm3``, or ``cpu``."""
    if device.type != "cuda":
        return "cpu"
    name = torch.cuda.get_device_name(device).lower().removeprefix("nvidia ")
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")


def card(bench: Bench) -> dict[str, Any]:
    """Return what the driver and torch say of the card."""
    if not bench.cuda:
        return {"name": "cpu", "threads": torch.get_num_threads()}
    seen = torch.cuda.get_device_properties(bench.device)
    told = {"name": seen.name, "processors": seen.multi_processor_count,
            "memory_gib": round(seen.total_memory / 2**30, 1),
            "capability": f"{seen.major}.{seen.minor}", "cuda": torch.version.cuda,
            "threads": torch.get_num_threads()}  # fmt: skip
    return told | dict(zip(ASKED.split(","), smi(ASKED), strict=False))


def smi(query: str) -> list[str]:
    """Return what nvidia-smi answers of the first card; [] where there is none."""
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = done.stdout.splitlines()
    return [part.strip() for part in lines[0].split(",")] if lines else []


class PowerLog:
    """Notes watts, clock and temperature of the card again and again inside of ``with``."""

    def __enter__(self) -> PowerLog:
        self.rows: list[list[float]] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._note)
        self._thread.start()
        return self

    def _note(self) -> None:
        while not self._ends.is_set():
            told = smi(WATTS)
            if not told:
                return
            with suppress(ValueError):  # "[N/A]"
                self.rows.append([float(value) for value in told])

    def __exit__(self, *error: object) -> None:
        self._ends.set()
        self._thread.join()

    def report(self) -> dict[str, float]:
        """Return medians of the later half; {} where nothing was noted."""
        late = zip(*self.rows[len(self.rows) // 2 :], strict=True)
        names = ("watts", "clock_mhz", "celsius")
        return {n: statistics.median(v) for n, v in zip(names, late, strict=False)}


def store_statistics(bench: Bench) -> dict[str, Any]:
    """Return sizes of the store, and of its graphs."""
    store, tables = bench.store, bench.store.tables
    sizes = {g: np.asarray(getattr(store, f"num_{g}s")) for g in
             ("atom", "fragment", "bond", "reaction")}  # fmt: skip
    spread = {
        name: {"mean": round(float(n.mean()), 2), "p95": float(np.quantile(n, 0.95)),
               "most": int(n.max())} for name, n in sizes.items()
    }  # fmt: skip
    rows = {name: len(getattr(tables, f"{name}_x")) for name in ("atom", "bond", "fragment")}
    return {"name": store.path.name, "graphs": len(store), "per_graph": spread, "table_rows": rows}


def model_statistics(bench: Bench) -> dict[str, Any]:
    """Return the settings of the network and its parameters."""
    network = bench.network(CPU)
    weights = {name: sum(p.numel() for p in part.parameters()) for name, part in
               (("encoder", network.encoder), ("heads", network.heads))}  # fmt: skip
    return {**asdict(bench.model), "parameters": weights}
