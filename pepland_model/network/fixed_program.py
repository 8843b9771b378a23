"""A program whose arrays have fixed sizes, so that a CUDA device can replay it as one graph.

Each batch is copied into the same arrays (`StaticArrays`), and states are found in rooms of fixed
size (`Rooms`). The host starts a run, and sees one run later whether the batch fitted. If it did
not, the device has changed nothing since then: the batch, and those after it, run again in larger
rooms. So results do not depend on the sizes of rooms, and the device never waits for the host.

On a CPU, and where a graph cannot be recorded, the same program runs operator by operator.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from pepland_data.batch.byte_layout import Shape
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.batch.static_arrays import StaticArrays, capacity_for
from pepland_data.errors import InputError
from pepland_model.network.states.rooms import SLACK, TRIES, Rooms

GRAPHS = ("auto", "on", "off")
WARM_UP = 2
"""Runs before recording, in which libraries reserve memory and kernels are compiled."""
IN_FLIGHT = 2
"""Runs that the host starts before it looks at the first."""
Body = Callable[[HeteroBatch, Rooms, Tensor], tuple[Tensor, ...]]
"""A stage of the program: takes a batch, rooms, and whether the device has halted ([] bool), which
it sets if the batch does not fit. It returns results, and changes nothing if it has halted."""
Measure = Callable[[HeteroBatch, Rooms], object]
"""Searches a batch, to learn what rooms it needs."""


@dataclass(eq=False)
class GraphPool:
    """Memory of all graphs that are replayed on one stream, so that no two replays overlap.

    A graph may use what another one has freed. What a program holds is given to no other.
    """

    handle: Any
    stream: Any
    """On which they are recorded. Libraries keep memory for each stream that they were used on."""


_POOLS: WeakValueDictionary[tuple[Any, int], GraphPool] = WeakValueDictionary()
"""Device and stream of replays -> pool, as long as a recorded program uses it."""
_STREAMS: dict[tuple[Any, int], Any] = {}
"""The same -> stream of recording."""
_RECORDING = threading.Lock()
"""PyTorch records one graph at a time."""


def shared_pool(device: torch.device) -> GraphPool:
    """Return the pool of the graphs that are replayed on the current stream of a device."""
    here = torch.cuda.current_stream(device)
    key = (here.device, here.cuda_stream)
    if key not in _STREAMS:
        _STREAMS[key] = torch.cuda.Stream(here.device)  # type: ignore[no-untyped-call]
    pool = _POOLS.get(key)
    if pool is None:
        pool = GraphPool(torch.cuda.graph_pool_handle(), _STREAMS[key])
        _POOLS[key] = pool
    return pool


@dataclass(eq=False)
class Run:
    """One run of a program."""

    batch: HeteroBatch
    tag: Any
    """What the caller knows of it."""
    before: Callable[[], None]
    """Sets what the program reads besides the batch."""
    results: tuple[Tensor, ...] = ()
    halted: Tensor | None = None
    """[] bool, on the host."""
    tries: int = 0
    """Times that it did not fit."""
    event: Any = None
    """CUDA event after `halted` was copied."""


class FixedProgram:
    """Runs a program on one batch after the other.

    Args:
        stages: the program, in one part or in several. Each is recorded on its own; the results are
            those of the last.
        measure: the search of the program.
        device: of the batches.
        graph: ``auto``, ``on`` (an error where it cannot be recorded) or ``off``.
        say: shows a sentence to the user.
        between: what is done after each stage but the last, and never recorded.
    """

    def __init__(
        self,
        stages: Sequence[Body],
        measure: Measure,
        device: torch.device,
        graph: str = "auto",
        say: Callable[[str], None] = lambda text: None,
        between: Sequence[Callable[[], None]] = (),
    ) -> None:
        self.stages, self.between, self.measure = stages, between, measure
        self.device, self.say = device, say
        self.must_record = graph == "on"
        self.records = graph != "off" and device.type == "cuda"
        if self.must_record and not self.records:
            raise InputError(f"a CUDA graph is recorded on a CUDA device only, not on {device}")
        self.rooms = Rooms({})
        self.arrays: StaticArrays | None = None
        self.halted = torch.zeros((), dtype=torch.bool, device=device)
        self.overflows = 0
        """Batches that did not fit into the rooms."""
        self._pending: deque[Run] = deque()
        self._forget()
        self._wanted: dict[str, Any] = {}

    def sizes(self) -> dict[str, Any]:
        """Return the sizes of arrays and rooms as JSON values; {} before the first batch.

        Sums of floats depend on the sizes in their last bits. A program with the same sizes has the
        same bits.
        """
        if self.arrays is None:
            return {}
        shape = self.arrays.shape
        rooms = {"rooms": dict(self.rooms.sizes or {}), "salt": self.rooms.salt}
        return {"graphs": shape.graphs, "rows": dict(shape.rows), **rooms}

    def start_with(self, sizes: dict[str, Any]) -> None:
        """Start with the sizes of another program, as `sizes` returned them."""
        self._wanted = sizes

    def submit(self, batch: HeteroBatch, tag: Any, before: Callable[[], None]) -> list[Run]:
        """Start a run; return earlier runs that have ended, in order."""
        done: list[Run] = []
        run = Run(batch, tag, before)
        if not self._fits(batch):
            if self.between:  # all processes start the same runs, in the same order
                self._wait()
            else:
                done += self.flush()
            self._make_room(run)
        self._start(run)
        while len(self._pending) > IN_FLIGHT:
            done += self._confirm()
        return done

    def prepare(self, batch: HeteroBatch) -> None:
        """Make room for a batch, without running the program."""
        self._make_room(Run(batch, None, nothing))

    def flush(self) -> list[Run]:
        """Wait for all runs, and return those that had not been returned."""
        done: list[Run] = []
        while self._pending:
            done += self._confirm()
        return done

    def _fits(self, batch: HeteroBatch) -> bool:
        arrays = self.arrays
        if arrays is None or arrays.batch.tables is not batch.tables:
            return False
        return arrays.fits(batch)

    def _start(self, run: Run) -> None:
        assert self.arrays is not None
        self.arrays.fill(run.batch)
        run.before()
        run.results = tuple(part.clone() for part in self._once())
        self._read(run)
        self._pending.append(run)

    def _forget(self) -> None:
        """Free what was recorded: first the pool, which may not outlive its graphs."""
        self._pool: GraphPool | None = None
        self._graphs: list[Any] = []
        self._out: tuple[Tensor, ...] = ()
        self._runs = 0

    def _once(self) -> tuple[Tensor, ...]:
        """Run the program: first as it is, then recorded."""
        if self._graphs and self._pool is not shared_pool(self.device):
            self._forget()  # on another stream, replays may overlap with those of this pool
        self._runs += 1
        if not self.records:
            return self._body()
        if not self._graphs and self._runs > WARM_UP:
            self._record()
        if not self._graphs:
            return self._beside()
        for number, graph in enumerate(self._graphs):
            self._after(number)
            graph.replay()
        return self._out

    @property
    def recorded(self) -> bool:
        """Whether the program is recorded now."""
        return bool(self._graphs)

    def _after(self, number: int) -> None:
        """Do what comes before a stage."""
        if number:
            self.between[number - 1]()

    def _body(self) -> tuple[Tensor, ...]:
        self.rooms.clear()
        found: tuple[Tensor, ...] = ()
        for number in range(len(self.stages)):
            self._after(number)
            found = self._stage(number)
        return found

    def _stage(self, number: int) -> tuple[Tensor, ...]:
        assert self.arrays is not None
        with uncached_autocast(self.device.type):
            return self.stages[number](self.arrays.batch, self.rooms, self.halted)

    def _beside(self) -> tuple[Tensor, ...]:
        """Run on another stream, as libraries set themselves up for recording by stream."""
        side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        here = torch.cuda.current_stream(self.device)
        side.wait_stream(here)
        with torch.cuda.stream(side):
            found = self._body()
        here.wait_stream(side)
        for part in found:
            part.record_stream(here)
        return found

    def _record(self) -> None:
        """Record the program; where that fails, it is not tried again."""
        self.rooms.clear()
        try:
            with _RECORDING, torch.cuda.device(self.device):
                torch.cuda.empty_cache()
                pool = shared_pool(self.device)
                graphs = self._recorded_stages(pool)
        except RuntimeError as error:  # also no memory, and operators that cannot be recorded
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if self.must_record:
                raise InputError(
                    f"the program cannot be recorded as a CUDA graph: {reason}"
                ) from error
            self.records = False
            self.say(f"not recorded as a CUDA graph, so it runs more slowly: {reason}")
            return
        self._pool, self._graphs = pool, graphs

    def _recorded_stages(self, pool: GraphPool) -> list[Any]:
        """Record each stage. What one stage reads of another must be held by the program."""
        graphs: list[Any] = []
        for number in range(len(self.stages)):
            graph = torch.cuda.CUDAGraph()
            # The thread of a loader may copy batches now: check this thread only.
            with torch.cuda.graph(
                graph, pool=pool.handle, stream=pool.stream, capture_error_mode="thread_local"
            ):
                self._out = self._stage(number)
            graphs.append(graph)
        return graphs

    def _read(self, run: Run) -> None:
        """Copy to the host whether the device has halted; the host does not wait."""
        if self.device.type != "cuda":
            run.halted = self.halted.clone()
            return
        run.halted = torch.empty((), dtype=torch.bool, pin_memory=True)
        run.halted.copy_(self.halted, non_blocking=True)
        run.event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        run.event.record()

    def _confirm(self) -> list[Run]:
        """Return the first run when it has ended; where it did not fit, all pending ones again."""
        run = self._pending.popleft()
        if run.event is not None:
            run.event.synchronize()
        assert run.halted is not None
        if not run.halted:
            return [run]
        again = [run, *self._pending]
        self._pending.clear()
        self.overflows += 1
        run.tries += 1
        if run.tries > TRIES:
            raise RuntimeError("a batch does not fit into the rooms that were made for it")
        return self._again(again)

    def _again(self, runs: list[Run]) -> list[Run]:
        """Run batches again, the first of which did not fit."""
        self._wait()
        self._make_room(runs[0])
        self.halted.zero_()
        done: list[Run] = []
        for run in runs:
            self._start(run)
            done += self.flush()
        return done

    def _wait(self) -> None:
        """Wait until no memory of the program is in use."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _make_room(self, run: Run) -> None:
        """Make arrays and rooms in which a batch fits, and in which earlier batches fitted."""
        self._forget()
        if self.arrays is None and self._wanted:
            self.arrays = self._wanted_arrays(run.batch)
            if self._fits(run.batch):
                return
        if not self._fits(run.batch):
            before = None if self.arrays is None else self.arrays.shape
            shape = larger(capacity_for(run.batch, SLACK - 1), before)
            self.arrays = StaticArrays(shape, run.batch.tables, self.device)
        assert self.arrays is not None
        self.arrays.fill(run.batch)
        run.before()
        needed = Rooms(salt=self.rooms.salt)
        self.measure(self.arrays.batch, needed)
        self.rooms = self.rooms.grown_to(needed)

    def _wanted_arrays(self, batch: HeteroBatch) -> StaticArrays:
        wanted = self._wanted
        self.rooms = Rooms(wanted["rooms"], wanted["salt"])
        shape = Shape(wanted["graphs"], wanted["rows"])
        return StaticArrays(shape, batch.tables, self.device)


def nothing() -> None:
    """Do nothing, before a program that reads nothing besides its batch."""


def larger(shape: Shape, other: Shape | None) -> Shape:
    """Return the shape in which both fit."""
    if other is None:
        return shape
    rows = {group: max(rows, other.rows[group]) for group, rows in shape.rows.items()}
    return Shape(max(shape.graphs, other.graphs), rows)


@contextmanager
def uncached_autocast(device: str) -> Iterator[None]:
    """Keep the current autocast dtype, and cast each weight again wherever it is used.

    Autocast frees the casts in its cache when its outermost context ends; a recorded graph would
    still read that memory.
    """
    dtype, enabled = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    with torch.autocast(device, dtype=dtype, enabled=enabled, cache_enabled=False):
        yield
