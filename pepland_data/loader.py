"""Batches from a store: a seeded global order, three tiers with equal results, resume anywhere.

No worker processes. The ``mmap`` tier gathers from the mapped shards in a thread, a few batches
ahead; ``host`` and ``device`` hold the coded corpus in memory and gather there.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pepland_data.batch import BatchTables, HeteroBatch
from pepland_data.errors import InputError
from pepland_data.order import shuffled
from pepland_data.resident import ResidentStore
from pepland_data.store import GraphStore

TIERS = ("auto", "mmap", "host", "device")
BYTES_PER_ROW = {"atoms": 8, "fragments": 8, "bonds": 12, "reactions": 12}
"""Bytes of int32 columns per atom, fragment, bond and cut bond."""
RESERVE = 0.5
"""Share of the free memory that `auto` leaves to training."""
AHEAD = 3
"""Batches the mmap tier keeps ready."""


class GraphLoader:
    """Iterate over the batches of an epoch; the next iteration is the next epoch.

    The global order of an epoch depends on seed and epoch alone. With W ranks a global batch is
    ``batch_size * W`` graphs, of which rank r takes every W-th from place r. The last global batch
    is shorter; a rank that gets none of it yields an empty batch, so that all ranks take equally
    many steps. ``drop_last`` leaves it out.

    Args:
        store: an opened store.
        batch_size: graphs a batch and rank.
        shuffle: False keeps the order of the store.
        seed: of the order.
        device: where batches are wanted.
        tier: ``mmap``, ``host``, ``device``, or ``auto`` for what fits; see `tier_reason`.
        subset: rows to draw from, None for all.
        rank: number of this process.
        world_size: number of processes.
        drop_last: leave out a last batch that is not full.

    Raises:
        InputError: for an unknown tier or sizes below 1.

    Example:
        >>> loader = GraphLoader(open_store("data/"), batch_size=512)  # doctest: +SKIP
        >>> for batch in loader: ...  # doctest: +SKIP
    """

    def __init__(
        self,
        store: GraphStore,
        batch_size: int = 512,
        shuffle: bool = True,
        seed: int = 0,
        device: torch.device | str = "cpu",
        tier: str = "auto",
        subset: npt.ArrayLike | None = None,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> None:
        if tier not in TIERS:
            raise InputError(f"unknown tier {tier!r}; expected one of {', '.join(TIERS)}")
        if batch_size < 1 or not 0 <= rank < world_size:
            raise InputError(
                f"batch_size {batch_size}, rank {rank} of {world_size}: expected a batch size of 1 "
                "or more and a rank below the number of processes"
            )
        self.store, self.batch_size, self.shuffle, self.seed = store, batch_size, shuffle, seed
        self.device, self.drop_last = torch.device(device), drop_last
        self.rank, self.world_size = rank, world_size
        self.rows = _checked_rows(subset, len(store))
        self.tables = BatchTables.from_tables(store.tables, self.device)
        self.tier, self.tier_reason = choose_tier(store, self.device, tier)
        self._resident = self._make_resident()
        self.epoch = self.position = 0

    def _make_resident(self) -> ResidentStore | None:
        if self.tier == "mmap":
            return None
        home = self.device if self.tier == "device" else torch.device("cpu")
        return ResidentStore(self.store, home)

    @property
    def num_graphs(self) -> int:
        """Graphs in an epoch, over all ranks."""
        return len(self.store) if self.rows is None else len(self.rows)

    def __len__(self) -> int:
        width = self.batch_size * self.world_size
        return self.num_graphs // width if self.drop_last else -(-self.num_graphs // width)

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch."""
        self.epoch, self.position = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Return seed, epoch and position in the global order, the same on every rank."""
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` was taken, on any number of ranks."""
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]

    def graphs_at(self, position: int) -> npt.NDArray[np.int64]:
        """Return the store rows of this rank's batch that starts at a place of the global order."""
        end = min(position + self.batch_size * self.world_size, self.num_graphs)
        places = np.arange(position + self.rank, end, self.world_size)
        if self.shuffle:
            places = shuffled(places, self.num_graphs, self.seed, self.epoch)
        return places if self.rows is None else self.rows[places]

    def batch(self, graphs: npt.NDArray[np.int64]) -> HeteroBatch:
        """Return the named rows of the store as a batch on the device."""
        if self._resident is not None:
            made = self._resident.batch(graphs, self.tables)
            if self._resident.device == self.device:
                return made
        else:
            made = HeteroBatch.from_columns(self.store.gather(graphs), self.tables, graphs)
        return move(made, self.device)

    def __iter__(self) -> Iterator[HeteroBatch]:
        width = self.batch_size * self.world_size
        last = len(self) * width
        positions = range(self.position, last, width)
        batches = (self.batch(self.graphs_at(position)) for position in positions)
        source = ahead(batches, AHEAD) if self.tier == "mmap" else batches
        for position, batch in zip(positions, source, strict=True):
            self.position = position + width
            yield batch
        self.set_epoch(self.epoch + 1)


def _checked_rows(subset: npt.ArrayLike | None, count: int) -> npt.NDArray[np.int64] | None:
    if subset is None:
        return None
    rows = np.asarray(subset)
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
    if len(rows) and not (rows.min() >= 0 and rows.max() < count):
        raise InputError(f"subset names rows outside 0..{count - 1}")
    return rows


def move(batch: HeteroBatch, device: torch.device) -> HeteroBatch:
    """Return the batch on a device, through pinned memory where that lets the copy overlap."""
    tensors = {k: v for k, v in vars(batch).items() if isinstance(v, torch.Tensor)}
    if device.type == "cuda":
        tensors = {k: v.pin_memory() for k, v in tensors.items() if v.device.type == "cpu"}
    moved = {k: v.to(device, non_blocking=True) for k, v in tensors.items()}
    return HeteroBatch(batch.tables, **moved)


def resident_bytes(store: GraphStore) -> int:
    """Return the bytes that a store takes in the host or device tier."""
    counts = store.manifest.counts
    return sum(counts[name] * size for name, size in BYTES_PER_ROW.items()) + 32 * (len(store) + 1)


def choose_tier(store: GraphStore, device: torch.device, wanted: str) -> tuple[str, str]:
    """Return the tier and one sentence why."""
    if wanted != "auto":
        return wanted, f"{wanted}: asked for"
    need = resident_bytes(store)
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        if need < free * (1 - RESERVE):
            return "device", f"device: {need:,} bytes fit beside training in {free:,} free"
    free = free_host_bytes()
    if need < free * (1 - RESERVE):
        return "host", f"host: {need:,} bytes fit in {free:,} bytes of free memory"
    return "mmap", f"mmap: {need:,} bytes are more than half of {free:,} bytes of free memory"


def free_host_bytes() -> int:
    """Return the memory the system can give without swapping, 0 where it does not tell."""
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
    except OSError:
        return 0
    return int(lines["MemAvailable"].split()[0]) * 1024


def ahead(items: Iterator[HeteroBatch], count: int) -> Iterator[HeteroBatch]:
    """Yield `items`, made in a thread up to `count` ahead; the thread ends with the consumer."""
    ready: queue.Queue[Any] = queue.Queue(maxsize=count)
    stop, end = threading.Event(), object()

    def put(item: Any) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.05)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(end)
        except BaseException as error:  # handed to the consumer, who raises it
            put(error)

    thread = threading.Thread(target=produce, name="pepland-loader", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not end:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
