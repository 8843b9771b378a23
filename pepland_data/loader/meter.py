"""The waiting-time meter: how long the consumer waited for batches, and for what.

It counts the seconds in ``next`` and what the loader's threads did meanwhile. On a GPU it also
measures, with events, the time from the end of a step to the arrival of the next batch. Both events
are on the consumer's stream: work on the streams of the loader counts only where a step waits.
"""

from __future__ import annotations

import resource
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import torch

TOLERATED_SHARE = 0.01
"""A smaller share of waiting time does not count as a limit."""
REMEDIES = {
    "consumer": "nothing to do: batches are ready before they are requested",
    "disk": "keep the store on a local disk, read it once (`pepland-data verify`) so that the "
    "system caches it, or shuffle in blocks (shuffle='block')",
    "gather": "give the process one more core, or keep the corpus on the GPU (tier='device')",
    "copy": "keep the corpus on the GPU (tier='device'), or check the bus of the GPU",
}
_PER_THREAD = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)


@dataclass(frozen=True)
class LoadReport:
    """What a loader did between two readings of its meter."""

    steps: int
    """Batches handed out."""
    graphs: int
    """Graphs in them."""
    bytes: int
    """Bytes of their arrays."""
    seconds: float
    """Time since the first of them was requested."""
    waited_s: float
    """Time the consumer waited for batches."""
    gather_s: float
    """Time in which batches were made, without `copy_s`; that of several threads is added up."""
    blocked_s: float
    """Part of it in which a thread did not run on a processor."""
    pages_read: int
    """Memory pages that were read from a disk."""
    copy_s: float
    """Time in which the making of batches waited for copies to the device."""
    device_idle_s: float | None
    """Time in which the device was idle before batches, from events; None on a CPU."""

    @property
    def waiting_share(self) -> float:
        """Share of the time in which the consumer waited."""
        return min(1.0, self.waited_s / self.seconds) if self.seconds else 0.0

    @property
    def device_idle_share(self) -> float | None:
        """Share of the time in which the device was idle because no batch had arrived."""
        if self.device_idle_s is None or not self.seconds:
            return None
        return min(1.0, self.device_idle_s / self.seconds)

    @property
    def graphs_per_s(self) -> float:
        """Graphs per second."""
        return self.graphs / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_s(self) -> float:
        """Bytes per second."""
        return self.bytes / self.seconds if self.seconds else 0.0

    @property
    def limit(self) -> str:
        """What limits the speed: ``consumer``, ``disk``, ``gather`` or ``copy``."""
        if max(self.waiting_share, self.device_idle_share or 0.0) < TOLERATED_SHARE:
            return "consumer"
        if self.copy_s > self.gather_s or self._idle_unseen:
            return "copy"
        return "disk" if self.pages_read and self.blocked_s > self.gather_s / 2 else "gather"

    @property
    def _idle_unseen(self) -> bool:
        """Whether the device waits although the host handed out batches in time."""
        return self.waiting_share < TOLERATED_SHARE <= (self.device_idle_share or 0.0)

    @property
    def remedy(self) -> str:
        """How to raise this limit."""
        return REMEDIES[self.limit]

    def as_dict(self) -> dict[str, Any]:
        """Return all fields and properties as JSON values."""
        derived = ("waiting_share", "device_idle_share", "graphs_per_s", "bytes_per_s")
        shown = {name: getattr(self, name) for name in (*derived, "limit", "remedy")}
        return {**asdict(self), **shown}


class Meter:
    """Counters of one loader. They cost little and are always on.

    Args:
        device: device of the batches.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._events: deque[tuple[Any, Any]] = deque()
        self._made: deque[tuple[float, float, int, float]] = deque()
        """Of each batch, by the thread that made it: gather, blocked, pages, copy."""
        self.reset()

    def reset(self) -> None:
        """Set all counters to zero."""
        self._began: float | None = None
        self._ended = 0.0
        self._steps = self._graphs = self._bytes = self._pages = 0
        self._waited = self._gather = self._blocked = self._copy = self._idle_ms = 0.0
        self._events.clear()
        self._made.clear()

    def requested(self) -> float:
        """Record that the consumer requests a batch; return the time."""
        now = time.perf_counter()
        if self._began is None:
            self._began = now
        if self._cuda:
            self._events.append((_event(), None))
        return now

    def delivered(self, requested: float, graphs: int, nbytes: int) -> None:
        """Record that the consumer received the batch that it requested at a time."""
        self._ended = time.perf_counter()
        self._waited += self._ended - requested
        self._steps += 1
        self._graphs += graphs
        self._bytes += nbytes
        if self._cuda and self._events:
            self._events[-1] = (self._events[-1][0], _event())
            self._read_events()
        self._read_made()

    def time_making(self) -> _MakingTimer:
        """Return a context that measures the making of one batch, in any thread."""
        return _MakingTimer(self)

    def copy_waited(self, seconds: float) -> None:
        """Add a part of the making of a batch in which it waited for a free pinned block."""
        self._made.append((-seconds, 0.0, 0, seconds))

    def _read_events(self) -> None:
        """Add up the pairs of events that have happened, without waiting for the others."""
        while self._events and self._events[0][1] is not None and self._events[0][1].query():
            before, after = self._events.popleft()
            self._idle_ms += before.elapsed_time(after)

    def _read_made(self) -> None:
        """Add up what the threads measured; they only append, so that none waits for another."""
        while self._made:
            gather, blocked, pages, copy = self._made.popleft()
            self._gather += gather
            self._blocked += blocked
            self._pages += pages
            self._copy += copy

    def report(self) -> LoadReport:
        """Return the counts since the start or the last `reset`."""
        self._read_made()
        seconds = 0.0 if self._began is None else max(self._ended, self._began) - self._began
        return LoadReport(
            self._steps, self._graphs, self._bytes, seconds, self._waited, self._gather,
            self._blocked, self._pages, self._copy, self._idle_ms / 1e3 if self._cuda else None,
        )  # fmt: skip


class _MakingTimer:
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __enter__(self) -> None:
        self._pages = resource.getrusage(_PER_THREAD).ru_majflt
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def __exit__(self, *_: object) -> None:
        wall, cpu = time.perf_counter() - self._wall, time.thread_time() - self._cpu
        pages = resource.getrusage(_PER_THREAD).ru_majflt - self._pages
        self._meter._made.append((wall, max(0.0, wall - cpu), pages, 0.0))


def _event() -> Any:
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event
