"""Where the coded corpus is kept while batches are made of it, and why there.

``device`` keeps it on the GPU, ``host`` in memory, ``mmap`` leaves it in the mapped files. The
fastest that fits is chosen, and a stated share of the free memory is left to everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pepland_data.errors import InputError
from pepland_data.graph.columns import GROUPS

if TYPE_CHECKING:  # commands read the names of the tiers for their help and must not wait for torch
    import torch

    from pepland_data.loader.corpus import Corpus
    from pepland_data.loader.tiers.device import DeviceSource
    from pepland_data.loader.tiers.source import Source
    from pepland_data.store.graph_store import GraphStore

TIERS = ("auto", "mmap", "host", "device")
RESERVE = 0.5
"""Share of the free memory that `auto` leaves to training."""
NOT_MAPPED = "take more memory or `pepland-data convert STORE OUT --format arrow`"
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class TierChoice:
    """A tier and how it was found."""

    tier: str
    """``mmap``, ``host`` or ``device``."""
    reason: str
    """One sentence."""
    need_bytes: int
    """Bytes of the coded corpus on a device; in host memory it is 24 bytes per graph less."""
    device_bytes: int | None
    """Free bytes of the device, None where batches are wanted on the CPU."""
    host_bytes: int
    """Free bytes of the machine, 0 where it does not tell."""
    reserve: float
    """Share of them that is left to training."""

    def fits(self, free_bytes: int | None) -> bool:
        """Return whether the corpus fits beside the reserve."""
        return free_bytes is not None and self.need_bytes <= free_bytes * (1 - self.reserve)


def open_source(tier: str, corpus: Corpus, device: torch.device) -> Source | DeviceSource:
    """Return what a tier makes batches of; `DeviceSource` makes them itself."""
    from pepland_data.loader.tiers.device import DeviceSource
    from pepland_data.loader.tiers.host import HostSource
    from pepland_data.loader.tiers.mmap import MmapSource

    if tier == "device":
        return DeviceSource(corpus, device)
    return MmapSource(corpus) if tier == "mmap" else HostSource(corpus)


def corpus_bytes(stores: Sequence[GraphStore]) -> int:
    """Return the bytes that stores take in memory, from their manifests.

    Their columns, and a pointer for each graph, which the host tier keeps beside its records.
    """
    total = 8
    for store in stores:
        counts, dtypes = store.manifest.counts, store.manifest.dtypes
        for group, names in GROUPS.items():
            total += counts[f"{group}s"] * sum(np.dtype(dtypes[name]).itemsize for name in names)
        total += 8 * len(store)
    return total


def choose_tier(
    stores: Sequence[GraphStore],
    wanted: str,
    device_bytes: int | None,
    host_bytes: int,
    reserve: float = RESERVE,
) -> TierChoice:
    """Return the tier for some stores.

    Args:
        stores: opened stores.
        wanted: one of `TIERS`.
        device_bytes: free memory of the device, None for batches on the CPU.
        host_bytes: free memory of the machine.
        reserve: share of the free memory to leave, 0 <= reserve < 1.

    Raises:
        InputError: an unknown tier, a reserve out of its range, or a Zarr store that does not fit
            into memory, where it is decoded.
    """
    if wanted not in TIERS:
        raise InputError(f"unknown tier {wanted!r}; expected one of {', '.join(TIERS)}")
    if not 0 <= reserve < 1:
        raise InputError(f"reserve is {reserve}; it must be a share from 0 to below 1")
    if wanted == "mmap" and (found := zarr_stores(stores)):
        raise InputError(
            f"{found[0].location} is a Zarr store, which cannot be mapped; {NOT_MAPPED}"
        )
    need = corpus_bytes(stores)
    plan = TierChoice(wanted, f"{wanted}: asked for", need, device_bytes, host_bytes, reserve)
    if wanted != "auto":
        return plan
    kept = f"with {reserve:.0%} of it left to training"
    if plan.fits(device_bytes):
        tier, why = "device", f"{size(need)} fit into {size(device_bytes)} of the device, {kept}"
    elif plan.fits(host_bytes):
        tier, why = "host", f"{size(need)} fit into {size(host_bytes)} of free memory, {kept}"
    elif zarr_stores(stores):
        tier, why = _decoded(stores, need, host_bytes)
    else:
        free = max(host_bytes, device_bytes or 0)
        tier, why = "mmap", f"{size(need)} do not fit into {size(free)}, {kept}"
    if zarr_stores(stores) and "Zarr" not in why:
        why += "; Zarr is decoded into it shard by shard"
    return TierChoice(tier, f"{tier}: {why}", need, device_bytes, host_bytes, reserve)


def zarr_stores(stores: Sequence[GraphStore]) -> list[GraphStore]:
    """Return the stores that are decoded into memory because they cannot be mapped."""
    return [store for store in stores if store.manifest.kind == "zarr"]


def lazy_tier(stores: Sequence[GraphStore]) -> str:
    """Return the tier that takes least memory: ``mmap``, or ``host`` where Zarr is among them."""
    return "host" if zarr_stores(stores) else "mmap"


def _decoded(stores: Sequence[GraphStore], need: int, host_bytes: int) -> tuple[str, str]:
    """Return tier and reason for Zarr stores that leave less than the reserve, or refuse."""
    path = zarr_stores(stores)[0].location
    if need > host_bytes:
        raise InputError(
            f"{path} is a Zarr store, which is decoded into memory, and {size(need)} do not fit "
            f"into {size(host_bytes)}; {NOT_MAPPED}"
        )
    return "host", (
        f"{size(need)} of {size(host_bytes)} of free memory, less than the reserve is left: "
        "a Zarr store cannot be mapped"
    )


def free_bytes(device: torch.device) -> tuple[int | None, int]:
    """Return the free bytes of a device, None for a CPU, and of the machine."""
    import torch

    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    return free, free_host_bytes()


def free_host_bytes() -> int:
    """Return the memory this process can get without swapping, 0 where the system does not tell.

    A container's limit counts where it is lower than what the machine has.
    """
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
    except OSError:
        return 0
    free = int(lines["MemAvailable"].split()[0]) * 1024
    limit, used = (_number(CGROUP / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else max(0, min(free, limit - used))


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
         "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip


def parse_size(text: str) -> int:
    """Return the bytes that a text such as ``24GiB``, ``1.5 GB`` or ``1000`` means.

    Raises:
        InputError: it means none.
    """
    clean = text.strip().upper().replace(" ", "")
    unit = next((u for u in sorted(UNITS, key=len, reverse=True) if clean.endswith(u)), "")
    try:
        value = float(clean.removesuffix(unit)) * UNITS.get(unit, 1)
    except ValueError as error:
        raise InputError(f"{text!r} is no size; write it like 24GiB or 800MB") from error
    if not 0 <= value < 2**63:
        raise InputError(f"{text!r} is no size; write it like 24GiB or 800MB")
    return int(value)


def size(count: int | None) -> str:
    """Return bytes as people read them: ``1.3 GiB``."""
    value = float(count or 0)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:,.0f} {unit}" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TiB"
