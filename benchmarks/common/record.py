"""The result of a benchmark with machine, versions and command, as one JSON file."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "results"
PACKAGES = ("pepland-data", "torch", "triton", "numpy", "pyarrow", "rdkit", "dgl", "zarr",
            "torch_geometric", "lmdb", "litdata", "lightgbm")  # fmt: skip


def cpu_name() -> str:
    """Return the name of the processor, or the architecture if the system does not tell."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine() -> dict[str, Any]:
    """Return processor, cores, memory and GPU of this machine."""
    gpu = None
    if "torch" in sys.modules:
        import torch

        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return {"cpu": cpu_name(), "cores": cores, "memory_gib": round(memory_gib, 1), "gpu": gpu}


def versions() -> dict[str, str]:
    """Return the versions of Python and of those `PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def arguments() -> list[str]:
    """Return the arguments of the command, files without their folders."""
    return [Path(given).name if "/" in given else given for given in sys.argv[1:]]


def named(name: str, quick: bool) -> str:
    """Return the name of a result; a quick run never overwrites a measurement."""
    return f"{name}_quick" if quick else name


def median_range(values: Sequence[float]) -> dict[str, float]:
    """Return the median, lowest and highest of some values."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def save(name: str, results: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write `results` with machine, versions, command and date to ``<folder>/<name>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "benchmark": name,
        "machine": machine(),
        "versions": versions(),
        "command": " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *arguments()]),
        "date": datetime.date.today().isoformat(),
        "results": results,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
