"""Memory of a build's processes while it runs, by what they do."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import psutil

MARKS = {"isolated_process": "converting", "loky": "worker"}
"""What stands in the command line of a process, and what it then does."""


@dataclass
class MemoryWatch:
    """Resident bytes over time; a role's figure is that of its largest process."""

    seconds: list[float] = field(default_factory=list)
    resident: dict[str, list[int]] = field(default_factory=dict)

    def sample(self, root: psutil.Process, since: float) -> None:
        """Note how large the processes below `root` are now."""
        largest: dict[str, int] = {}
        for process in [root, *root.children(recursive=True)]:
            try:
                line, bytes_ = " ".join(process.cmdline()), process.memory_info().rss
            except psutil.Error:
                continue
            role = "parent" if process == root else _role(line)
            largest[role] = max(largest.get(role, 0), bytes_)
        for role, bytes_ in largest.items():
            series = self.resident.setdefault(role, [0] * len(self.seconds))
            series.append(bytes_)
        self.seconds.append(round(time.monotonic() - since, 2))
        for series in self.resident.values():
            series += [0] * (len(self.seconds) - len(series))

    @property
    def peak_mib(self) -> dict[str, float]:
        """Largest resident memory of any process of each role (MiB)."""
        return {role: round(max(series) / 2**20, 1) for role, series in self.resident.items()}

    def series_mib(self, points: int = 60) -> dict[str, list[float]]:
        """Return memory over time in about so many points, the largest of each interval (MiB)."""
        step = max(1, len(self.seconds) // points)
        starts = range(0, len(self.seconds), step)
        found = {"seconds": [self.seconds[i] for i in starts]}
        for role, series in self.resident.items():
            found[role] = [round(max(series[i : i + step]) / 2**20, 1) for i in starts]
        return found


def _role(line: str) -> str:
    return next((role for mark, role in MARKS.items() if mark in line), "other")


def watch(command: Iterable[str], interval_s: float = 0.25) -> tuple[MemoryWatch, float]:
    """Run a command to its end and return its memory and how many seconds it took."""
    start = time.monotonic()
    found = MemoryWatch()
    with subprocess.Popen(list(command), stdout=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            found.sample(root, start)
            time.sleep(interval_s)
        if process.returncode not in (0, 3):
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return found, time.monotonic() - start
