"""Conversion in a process of its own: what kills it is found, rejected, and the rest goes on.

A text is guilty only where it ends a fresh process all alone; a process that died of what came
before it, or of bad luck, costs time and no rows.
"""

from __future__ import annotations

import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from pepland_data.builder.workers.isolated_process import MEMORY_EXIT, PLACE, UNKNOWN, Request
from pepland_data.chem.conversion import Converted, FeaturizeOptions, Reject, join
from pepland_data.errors import BuildError
from pepland_data.graph.columns import empty_columns
from pepland_data.graph.feature_tables import empty_keys, tables_from_keys

MEMORY_LIMIT = 768 * 2**20
"""Bytes of private memory a converting process may have."""
TEXTS = 4096
"""Texts of one request."""
START_SECONDS = 300.0
"""A process that has not answered by then will not start."""
IDLE_FACTOR = 20.0
"""A process that has not moved on for so many time limits by the clock on the wall hangs."""


@dataclass(frozen=True)
class Death:
    """How a converting process ended, as a reject says it."""

    stage: str
    reason: str


class EndedError(Exception):
    """The converting process is gone, or could not go on."""

    def __init__(self, death: Death, place: int, fresh: bool) -> None:
        super().__init__(death.reason)
        self.death, self.place, self.fresh = death, place, fresh


class Process:
    """One converting process and the pipe to it."""

    def __init__(self, memory: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._file.truncate(PLACE.size)
        self._place = mmap.mmap(self._file.fileno(), PLACE.size)
        here, there = socket.socketpair()
        with there:
            inherited = (there.fileno(), self._file.fileno())
            module = "pepland_data.builder.workers.isolated_process"
            command = [sys.executable, "-m", module, *map(str, inherited), str(memory)]
            self._child = subprocess.Popen(
                command, pass_fds=inherited, env=_environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=self._said,
            )  # fmt: skip
        self._pipe = Connection(here.detach())
        self._memory, self._fresh = memory, True
        self._greet()

    def _greet(self) -> None:
        try:
            if self._pipe.poll(START_SECONDS) and self._pipe.recv() == "ready":
                return
        except (EOFError, ConnectionError):
            pass
        self._child.kill()
        self._child.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip()
        last = said.splitlines()[-1] if said else "it did not answer"
        self.close()
        raise BuildError(f"the converting process cannot start: {last}")

    def ask(self, texts: Sequence[str], options: FeaturizeOptions) -> tuple[Converted, Any]:
        """Return what the texts became, and how many pieces were asked for and known.

        Raises:
            EndedError: the process died, or met an error it did not expect.
        """
        PLACE.pack_into(self._place, 0, UNKNOWN)
        try:
            self._pipe.send(Request(texts, options))
            self._wait(options.time_limit)
            answer, counts = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise EndedError(self._death(options), self._where(len(texts)), self._fresh) from None
        if isinstance(answer, str):
            raise EndedError(Death("crash", f"unexpected {answer}"), UNKNOWN, self._fresh)
        self._fresh = False
        return answer, counts

    def _wait(self, limit: float) -> None:
        """Wait for an answer; kill a process that stands still without using its time."""
        place, since = self._where(0), time.monotonic()
        while not self._pipe.poll(1.0):
            now = PLACE.unpack_from(self._place, 0)[0]
            if now != place:
                place, since = now, time.monotonic()
            elif time.monotonic() - since > max(60.0, IDLE_FACTOR * limit):
                self._child.send_signal(signal.SIGPROF)
                return

    def _where(self, count: int) -> int:
        place = int(PLACE.unpack_from(self._place, 0)[0])
        return place if 0 <= place < count else UNKNOWN

    def _death(self, options: FeaturizeOptions) -> Death:
        code = self._child.wait()
        if code == -signal.SIGPROF:
            return Death("timeout", f"took more than {options.time_limit:g} s of processor time")
        if code == MEMORY_EXIT:
            return Death("limits", f"needs more than {self._memory / 2**20:,.0f} MiB of memory")
        ended = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return Death("crash", f"ended the process that converted it ({ended})")

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._child.kill()
        self._child.wait()
        self._place.close()
        self._file.close()
        self._said.close()


def _environment() -> dict[str, str]:
    """Return an environment in which the process finds the same code, and keeps to one thread."""
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": path}


class IsolatedFeaturizer:
    """Converts like `Featurizer`, in a process of its own that is started again when it dies."""

    def __init__(self, options: FeaturizeOptions, memory_limit: int = MEMORY_LIMIT) -> None:
        """Start nothing yet.

        Args:
            options: what decides the graph.
            memory_limit: bytes of private memory of the converting process; 0 sets none.
        """
        self.options, self.memory_limit = options, memory_limit
        self.cache_counts: Counter[str] = Counter()
        """Pieces ``asked`` for and ``known`` already, over all texts so far."""
        self._process: Process | None = None

    def convert(self, texts: Sequence[str]) -> Converted:
        """Return the graphs of all texts that have one, and the rejects; see `Featurizer.convert`.

        Raises:
            BuildError: no process can be started.
        """
        runs = [(i, texts[i : i + TEXTS]) for i in range(0, len(texts), TEXTS)]
        parts = [part for first, run in runs for part in self._parts(first, run)]
        return join(parts or [(0, nothing())])

    def close(self) -> None:
        """End the process; the next text starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def __enter__(self) -> IsolatedFeaturizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _ask(self, texts: Sequence[str]) -> Converted:
        self._process = self._process or Process(self.memory_limit)
        try:
            done, counts = self._process.ask(texts, self.options)
        except BaseException:  # also where somebody breaks off: an answer would come too late
            self.close()
            raise
        self.cache_counts.update(counts)
        return done

    def _parts(self, first: int, texts: Sequence[str]) -> Iterator[tuple[int, Converted]]:
        """Convert a run of texts; where that ends a process, in smaller runs down to the text."""
        if not texts:
            return
        try:
            yield first, self._ask(texts)
        except EndedError as ended:
            if len(texts) > 1:
                for start, stop in _around(ended.place, len(texts)):
                    yield from self._parts(first + start, texts[start:stop])
            elif ended.fresh:
                reject = Reject(0, texts[0], ended.death.stage, ended.death.reason)
                yield first, replace(nothing(), rejects=[reject])
            else:
                yield from self._parts(first, texts)


def _around(place: int, count: int) -> list[tuple[int, int]]:
    """Return how to divide a run: before, at and behind the suspect, or in the middle."""
    if place == UNKNOWN:
        return [(0, count // 2), (count // 2, count)]
    return [(0, place), (place, place + 1), (place + 1, count)]


def nothing() -> Converted:
    """Return what no texts become."""
    empty = np.zeros(0, np.int64)
    return Converted(empty_columns(), tables_from_keys(empty_keys()), empty, [])
