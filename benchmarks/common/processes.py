"""Memory and processor time of a command and of everything it starts, while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil


@dataclass
class Usage:
    """What a command used."""

    seconds: float = 0.0
    returncode: int = 0
    parent_cpu_s: float = 0.0
    """Processor time of the command itself."""
    workers_cpu_s: float = 0.0
    """Processor time of all processes below it."""
    processes: int = 0
    """Most processes at once, the command included."""
    samples: list[tuple[float, float, float]] = field(default_factory=list)
    """Second, MiB of the command, MiB of all below it; pages that several map count once each."""

    @property
    def parent_share(self) -> float:
        """Processor time of the command, as a share of that of its workers."""
        return self.parent_cpu_s / max(self.workers_cpu_s, 1e-9)


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
"""Runs ``pepland-data`` and writes at the very end what processor time it used itself."""


def watch(
    arguments: list[str], every_s: float = 0.25, env: Mapping[str, str] | None = None
) -> Usage:
    """Run a ``pepland-data`` command and look at it and its descendants until it ends.

    Args:
        arguments: of the command.
        every_s: seconds between two looks. What a descendant uses after the last one is not
            counted; the command itself counts to the end, from the start of the interpreter on.
        env: environment variables; None is those of this process.
    """
    usage, cpu = Usage(), dict[int, float]()
    with tempfile.TemporaryDirectory() as folder:
        said = os.path.join(folder, "cpu")
        start = time.perf_counter()
        process = psutil.Popen(
            [sys.executable, "-c", COUNTED, said, *arguments], env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None:
            look(process, usage, cpu, time.perf_counter() - start)
            time.sleep(every_s)
        usage.seconds, usage.returncode = time.perf_counter() - start, process.returncode
        cpu.pop(process.pid, None)
        if usage.returncode == 0:
            with open(said) as file:
                usage.parent_cpu_s = float(file.read())
    usage.workers_cpu_s = sum(cpu.values())
    return usage


def look(process: psutil.Popen, usage: Usage, cpu: dict[int, float], second: float) -> None:
    """Add one sample; what a process used is what it was last seen with."""
    try:
        below = process.children(recursive=True)
        parent = anonymous_mib(process)
    except psutil.NoSuchProcess:
        return
    workers = 0.0
    for one in (process, *below):
        try:
            times = one.cpu_times()
            cpu[one.pid] = times.user + times.system
            workers += anonymous_mib(one) if one.pid != process.pid else 0.0
        except psutil.NoSuchProcess:
            continue
    usage.processes = max(usage.processes, 1 + len(below))
    usage.samples.append((round(second, 2), round(parent, 1), round(workers, 1)))


def anonymous_mib(process: psutil.Process) -> float:
    """Return the memory of a process that is not a file's: what the system cannot take back."""
    info = process.memory_info()
    return (info.rss - info.shared) / 2**20


def thinned(samples: list[tuple[float, float, float]], most: int = 120) -> list[list[float]]:
    """Return evenly spaced samples, each the largest of its stretch."""
    step = max(1, -(-len(samples) // most))
    runs = [samples[i : i + step] for i in range(0, len(samples), step)]
    return [[run[-1][0], max(s[1] for s in run), max(s[2] for s in run)] for run in runs]
