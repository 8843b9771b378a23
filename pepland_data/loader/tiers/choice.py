"""Where the coded corpus is kept while batches are made of it, and why there.

``device`` keeps it on the GPU, ``host`` in memory, ``mmap`` in the mapped files. The fastest tier
that fits is chosen, and a stated share of the free memory is left to training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pepland_data.errors import InputError
from pepland_data.graph.columns import GROUPS

if TYPE_CHECKING:  # the help of commands lists the tiers and must not wait for torch
    import torch

    from pepland_data.batch.arrays import BatchTables
    from pepland_data.loader.corpus import Corpus
    from pepland_data.loader.tiers.device import DeviceSource
    from pepland_data.loader.tiers.source import Source
    from pepland_data.store.graph_store import GraphStore

TIERS = ("auto", "mmap", "host", "device")
RESERVE = 0.5
"""Share of the free memory that `auto` leaves to training."""
ZARR_REMEDY = "use more memory, or `pepland-data convert STORE OUT --format arrow`"
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class TierChoice:
    """A tier, and the figures that decided."""

    tier: str
    """``mmap``, ``host`` or ``device``."""
    reason: str
    """Why this tier, in one sentence."""
    need_bytes: int
    """Bytes of the coded corpus in host memory; on a device it needs 8 bytes per graph less."""
    device_bytes: int | None
    """Free bytes of the device, None for batches on the CPU."""
    host_bytes: int
    """Free bytes of the machine, 0 if unknown."""
    reserve: float
    """Share of the free bytes that is left to training."""

    def fits(self, free_bytes: int | None) -> bool:
        """Return whether the corpus fits into the free bytes without the reserve."""
        return free_bytes is not None and self.need_bytes <= free_bytes * (1 - self.reserve)


def open_source(tier: str, corpus: Corpus, tables: BatchTables) -> Source | DeviceSource:
    """Open the corpus on a tier; a `DeviceSource` also makes the batches, where the tables are."""
    from pepland_data.loader.tiers.device import DeviceSource
    from pepland_data.loader.tiers.host import HostSource
    from pepland_data.loader.tiers.mmap import MmapSource

    if tier == "device":
        return DeviceSource(corpus, tables)
    return MmapSource(corpus) if tier == "mmap" else HostSource(corpus)


def corpus_bytes(stores: Sequence[GraphStore]) -> int:
    """Return the bytes that stores take in memory, from their manifests.

    These are their columns, and a pointer per graph that the host tier keeps for its records.
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
        reserve: share of the free memory that is left to training, 0 <= reserve < 1.

    Raises:
        InputError: an unknown tier, a reserve outside its range, or a Zarr store that does not fit
            into memory; it has to be decoded there.
    """
    if wanted not in TIERS:
        raise InputError(f"unknown tier {wanted!r}; expected one of {', '.join(TIERS)}")
    if not 0 <= reserve < 1:
        raise InputError(f"reserve is {reserve}; it must be a share from 0 to below 1")
    zarr = zarr_stores(stores)
    if wanted == "mmap" and zarr:
        raise InputError(
            f"{zarr[0].location} is a Zarr store, which cannot be mapped; {ZARR_REMEDY}"
        )
    need = corpus_bytes(stores)
    choice = TierChoice(wanted, f"{wanted}: requested", need, device_bytes, host_bytes, reserve)
    if wanted != "auto":
        return choice
    needed, kept = readable(need), f"with {reserve:.0%} of it left to training"
    decoded = "; Zarr is decoded into it shard by shard" if zarr else ""
    if choice.fits(device_bytes):
        free = readable(device_bytes)
        tier, why = "device", f"{needed} fit into {free} of the device, {kept}{decoded}"
    elif choice.fits(host_bytes):
        free = readable(host_bytes)
        tier, why = "host", f"{needed} fit into {free} of free memory, {kept}{decoded}"
    elif zarr:
        tier, why = "host", _zarr_without_reserve(zarr[0], need, host_bytes)
    else:
        free = readable(max(host_bytes, device_bytes or 0))
        tier, why = "mmap", f"{needed} do not fit into {free}, {kept}"
    return replace(choice, tier=tier, reason=f"{tier}: {why}")


def zarr_stores(stores: Sequence[GraphStore]) -> list[GraphStore]:
    """Return the Zarr stores, which cannot be mapped and are decoded into memory."""
    return [store for store in stores if store.manifest.kind == "zarr"]


def lazy_tier(stores: Sequence[GraphStore]) -> str:
    """Return the tier that needs least memory: ``mmap``, or ``host`` if a store is Zarr."""
    return "host" if zarr_stores(stores) else "mmap"


def _zarr_without_reserve(store: GraphStore, need: int, host_bytes: int) -> str:
    """Return the reason to use the reserve for a Zarr store; raise if not even that is enough."""
    needed, free = readable(need), readable(host_bytes)
    if need > host_bytes:
        raise InputError(
            f"{store.location} is a Zarr store, which is decoded into memory, and {needed} do not "
            f"fit into {free}; {ZARR_REMEDY}"
        )
    return (
        f"{needed} of {free} of free memory, less than the reserve is left: "
        "a Zarr store cannot be mapped"
    )


def free_bytes(device: torch.device) -> tuple[int | None, int]:
    """Return the free bytes of a device, None for a CPU, and of the machine."""
    import torch

    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    return free, free_host_bytes()


def free_host_bytes() -> int:
    """Return the bytes this process can get without swapping, 0 if the system does not tell.

    The limit of a container counts if it is lower than the free memory of the machine.
    """
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file)
    except OSError:
        return 0
    free = int(lines["MemAvailable"].split()[0]) * 1024
    limit, used = (_number(CGROUP / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else max(0, min(free, limit - used))


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
         "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip


def parse_size(text: str) -> int:
    """Return the number of bytes of a text such as ``24GiB``, ``1.5 GB`` or ``1000``.

    Raises:
        InputError: the text is not a size.
    """
    clean = text.strip().upper().replace(" ", "")
    unit = next((u for u in sorted(UNITS, key=len, reverse=True) if clean.endswith(u)), "")
    try:
        value = float(clean.removesuffix(unit)) * UNITS.get(unit, 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 2**63:
        raise InputError(f"{text!r} is not a size; write it like 24GiB or 800MB")
    return int(value)


def readable(count: int | None) -> str:
    """Return a number of bytes with a unit: ``1.3 GiB``."""
    value = float(count or 0)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:,.0f} {unit}" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TiB"
