"""Conversion in a separate process: a text that kills the process is found and rejected.

A text is rejected only if it ends a new process that has converted nothing else. When a process
dies for another reason, its texts are converted again and no row is lost.
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

from pepland_data.builder.workers.isolated_process import MEMORY_EXIT, POSITION, UNKNOWN, Request
from pepland_data.builder.workers.worker_lifetime import interrupts_blocked
from pepland_data.chem.conversion import Converted, FeaturizeOptions, Reject, join
from pepland_data.errors import BuildError, DifferentGraphError
from pepland_data.graph.columns import empty_columns
from pepland_data.graph.feature_tables import empty_keys, tables_from_keys

MEMORY_LIMIT = 768 * 2**20
"""Bytes of private memory that a converting process may use."""
TEXTS_PER_REQUEST = 4096
START_SECONDS = 300.0
"""Time after which a process that has not answered counts as unable to start."""
OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT,
           signal.SIGXCPU)  # fmt: skip
"""Signals that no text can cause: they come from the user, a scheduler or the kernel."""
IDLE_FACTOR = 20.0
"""A process hangs if it stays at one text for this many time limits, in wall-clock time."""


@dataclass(frozen=True)
class Death:
    """Stage and reason of the reject for a text that ended a converting process."""

    stage: str
    reason: str
    from_outside: bool = False
    """Whether something else than the text ended the process."""


class EndedError(Exception):
    """The converting process has ended, or met an unexpected error."""

    def __init__(self, death: Death, position: int, fresh: bool) -> None:
        super().__init__(death.reason)
        self.death, self.position, self.fresh = death, position, fresh


class ConvertingProcess:
    """One converting process and the pipe to it."""

    def __init__(self, memory: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._file.truncate(POSITION.size)
        self._shared = mmap.mmap(self._file.fileno(), POSITION.size)
        here, there = socket.socketpair()
        with there, interrupts_blocked():
            inherited = (there.fileno(), self._file.fileno())
            module = "pepland_data.builder.workers.isolated_process"
            command = [sys.executable, "-m", module, *map(str, inherited), str(memory)]
            self._child = subprocess.Popen(
                command, pass_fds=inherited, env=_environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=self._stderr,
            )  # fmt: skip
        self._pipe = Connection(here.detach())
        self._memory, self._fresh = memory, True
        self._await_start()

    def _await_start(self) -> None:
        try:
            if self._pipe.poll(START_SECONDS) and self._pipe.recv() == "ready":
                return
        except (EOFError, ConnectionError):
            pass
        self._child.kill()
        self._child.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "it did not answer"
        self.close()
        raise BuildError(f"the converting process cannot start: {reason}")

    def ask(self, texts: Sequence[str], options: FeaturizeOptions) -> tuple[Converted, Any]:
        """Return the converted texts, and how many pieces were asked for and known.

        Raises:
            EndedError: the process died, or met an unexpected error.
            BuildError: the process lacks something that no text is to blame for.
        """
        POSITION.pack_into(self._shared, 0, UNKNOWN)
        try:
            self._pipe.send(Request(texts, options))
            self._wait(options.time_limit)
            answer, counts = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise EndedError(
                self._death(options), self._position(len(texts)), self._fresh
            ) from None
        if isinstance(answer, BuildError):
            raise answer
        if isinstance(answer, str):
            raise EndedError(Death("crash", f"unexpected {answer}"), UNKNOWN, self._fresh)
        self._fresh = False
        return answer, counts

    def _wait(self, limit: float) -> None:
        """Wait for an answer; end a process that neither advances nor uses processor time."""
        position, since = UNKNOWN, time.monotonic()
        while not self._pipe.poll(1.0):
            now = POSITION.unpack_from(self._shared, 0)[0]
            if now != position:
                position, since = now, time.monotonic()
            elif time.monotonic() - since > max(60.0, IDLE_FACTOR * limit):
                self._child.send_signal(signal.SIGPROF)
                return

    def _position(self, count: int) -> int:
        position = int(POSITION.unpack_from(self._shared, 0)[0])
        return position if 0 <= position < count else UNKNOWN

    def _death(self, options: FeaturizeOptions) -> Death:
        code = self._child.wait()
        if code == -signal.SIGPROF:
            return Death("timeout", f"took more than {options.time_limit:g} s of processor time")
        if code == MEMORY_EXIT:
            return Death("limits", f"needs more than {self._memory / 2**20:,.0f} MiB of memory")
        ended = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return Death("crash", f"ended the process that converted it ({ended})", -code in OUTSIDE)

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._child.kill()
        self._child.wait()
        self._shared.close()
        self._file.close()
        self._stderr.close()


def _environment() -> dict[str, str]:
    """Return an environment with the same import path and one thread per library."""
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": path}


class IsolatedFeaturizer:
    """Converts like `Featurizer`, in a separate process that is started again when it dies."""

    def __init__(self, options: FeaturizeOptions, memory_limit: int = MEMORY_LIMIT) -> None:
        """Set options; the process starts with the first text.

        Args:
            options: what decides the graph.
            memory_limit: bytes of private memory of the converting process; 0 sets no limit.
        """
        self.options, self.memory_limit = options, memory_limit
        self.cache_counts: Counter[str] = Counter()
        """Pieces ``asked`` for, and those ``known`` from earlier texts, over all texts so far."""
        self._process: ConvertingProcess | None = None

    def convert(self, texts: Sequence[str]) -> Converted:
        """Return the graphs and the rejects of all texts; see `Featurizer.convert`.

        Raises:
            BuildError: no process can be started, or it is killed from outside, or lacks a file.
        """
        size = TEXTS_PER_REQUEST
        runs = [(i, texts[i : i + size]) for i in range(0, len(texts), size)]
        parts = [part for first, run in runs for part in self._parts(first, run)]
        return join(parts or [(0, nothing())])

    def close(self) -> None:
        """End the process; the next text starts another one."""
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
        self._process = self._process or ConvertingProcess(self.memory_limit)
        try:
            done, counts = self._process.ask(texts, self.options)
        except BaseException:  # an interrupt too: the next request would read the old answer
            self.close()
            raise
        self.cache_counts.update(counts)
        return done

    def _parts(self, first: int, texts: Sequence[str]) -> Iterator[tuple[int, Converted]]:
        """Convert consecutive texts; if that ends the process, convert smaller runs of them."""
        if not texts:
            return
        try:
            yield first, self._ask(texts)
        except DifferentGraphError as error:
            raise DifferentGraphError(error.text, first + error.position) from None
        except EndedError as ended:
            if len(texts) > 1:
                for start, stop in _divided(ended.position, len(texts)):
                    yield from self._parts(first + start, texts[start:stop])
            elif ended.fresh and ended.death.from_outside:
                raise BuildError(
                    f"the process that converted {texts[0]!r:.60} was killed twice from outside "
                    f"({ended.death.reason}), perhaps because memory ran out; run the same command "
                    "again to resume, with fewer workers if memory ran out"
                ) from None
            elif ended.fresh:
                reject = Reject(0, texts[0], ended.death.stage, ended.death.reason)
                yield first, replace(nothing(), rejects=[reject])
            else:
                yield from self._parts(first, texts)


def _divided(suspect: int, count: int) -> list[tuple[int, int]]:
    """Return start and stop of smaller runs: before, at and after the suspect, or two halves."""
    if suspect == UNKNOWN:
        return [(0, count // 2), (count // 2, count)]
    return [(0, suspect), (suspect, suspect + 1), (suspect + 1, count)]


def nothing() -> Converted:
    """Return the result of converting no texts."""
    empty = np.zeros(0, np.int64)
    return Converted(empty_columns(), tables_from_keys(empty_keys()), empty, [])
