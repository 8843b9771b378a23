"""Memory and processor time of a ``pepland-data`` command and its worker processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROLES = {"isolated_process": "converting", "loky": "worker"}
"""Part of the command line of a process -> its role."""
MIB = 2**20


@dataclass(frozen=True)
class ProcessSample:
    """One process at one moment."""

    pid: int
    role: str
    """``parent``, ``worker``, ``converting`` or ``other``."""
    resident_mib: float
    anonymous_mib: float
    """Resident memory that belongs to no file: the system cannot take it back."""
    cpu_s: float
    """Processor time since its start."""


@dataclass
class Usage:
    """What a command and its worker processes used."""

    seconds: float = 0.0
    returncode: int = 0
    parent_cpu_s: float = 0.0
    """Processor time of the command itself."""
    samples: list[tuple[float, list[ProcessSample]]] = field(default_factory=list)
    """Second, and all processes at that moment."""

    @property
    def workers_cpu_s(self) -> float:
        """Processor time of all worker processes, each as last seen."""
        last = {p.pid: p.cpu_s for _, seen in self.samples for p in seen if p.role != "parent"}
        return sum(last.values())

    @property
    def parent_share(self) -> float:
        """Processor time of the command as a share of that of its workers."""
        return self.parent_cpu_s / max(self.workers_cpu_s, 1e-9)

    @property
    def processes(self) -> int:
        """Most processes at once, with the command itself."""
        return max((len(seen) for _, seen in self.samples), default=0)

    def anonymous_memory(self) -> list[tuple[float, float, float]]:
        """Return second, MiB of the command, MiB of all its workers together, for each sample."""
        return [
            (
                second,
                round(sum(p.anonymous_mib for p in seen if p.role == "parent"), 1),
                round(sum(p.anonymous_mib for p in seen if p.role != "parent"), 1),
            )
            for second, seen in self.samples
        ]

    def resident_memory(self) -> tuple[list[str], list[tuple[float, ...]]]:
        """Return roles, and for each sample the second and MiB of the largest process per role."""
        roles = list(dict.fromkeys(p.role for _, seen in self.samples for p in seen))
        rows = [
            (
                second,
                *(max((p.resident_mib for p in seen if p.role == r), default=0) for r in roles),
            )
            for second, seen in self.samples
        ]
        return roles, rows


COUNTED = """
import atexit, resource, sys
def say(path=sys.argv.pop(1)):
    used = resource.getrusage(resource.RUSAGE_SELF)
    with open(path, "w") as file:
        file.write(repr(used.ru_utime + used.ru_stime))
atexit.register(say)
from pepland_cli.data import main
main()
"""
"""Runs ``pepland-data`` and writes at its end the processor time that it used itself."""


def watch(
    arguments: list[str], every_s: float = 0.25, env: Mapping[str, str] | None = None
) -> Usage:
    """Run a ``pepland-data`` command to its end and sample it and its workers.

    Args:
        arguments: arguments of the command.
        every_s: seconds between two samples. What a worker uses after its last sample is not
            counted; the processor time of the command is complete.
        env: environment variables; None means those of this process.
    """
    usage = Usage()
    with tempfile.TemporaryDirectory() as folder:
        cpu_file, start = Path(folder) / "cpu", time.perf_counter()
        process = psutil.Popen(
            [sys.executable, "-c", COUNTED, str(cpu_file), *arguments], env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None:
            second = round(time.perf_counter() - start, 2)
            usage.samples.append((second, list(sample_processes(process))))
            time.sleep(every_s)
        usage.seconds, usage.returncode = time.perf_counter() - start, process.returncode
        if cpu_file.is_file():
            usage.parent_cpu_s = float(cpu_file.read_text())
    return usage


def sample_processes(parent: psutil.Popen) -> Iterator[ProcessSample]:
    """Yield a process and its descendants, without those that have just ended."""
    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        children = parent.children(recursive=True)
    for process in (parent, *children):
        with suppress(psutil.NoSuchProcess):
            line, memory, cpu = process.cmdline(), process.memory_info(), process.cpu_times()
            marks = (role for mark, role in ROLES.items() if mark in " ".join(line))
            role = "parent" if process is parent else next(marks, "other")
            anonymous = (memory.rss - memory.shared) / MIB
            yield ProcessSample(
                process.pid, role, memory.rss / MIB, anonymous, cpu.user + cpu.system
            )


def thinned(rows: list[tuple[float, ...]], most: int) -> list[list[float]]:
    """Return at most `most` rows: per interval the last second, and the largest values."""
    step = max(1, -(-len(rows) // most))
    parts = [rows[i : i + step] for i in range(0, len(rows), step)]
    return [[part[-1][0], *(max(v) for v in list(zip(*part, strict=True))[1:])] for part in parts]
