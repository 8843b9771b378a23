"""Memory and processor time of a command and of everything it starts, while it runs."""

from __future__ import annotations

import subprocess
import time
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


def watch(command: list[str], every_s: float = 0.25) -> Usage:
    """Run a command and look at it and its descendants until it ends."""
    usage, cpu = Usage(), dict[int, float]()
    start = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        look(process, usage, cpu, time.perf_counter() - start)
        time.sleep(every_s)
    usage.seconds, usage.returncode = time.perf_counter() - start, process.returncode
    usage.parent_cpu_s = cpu.pop(process.pid, 0.0)
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
