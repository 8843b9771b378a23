"""A progress line on stderr that needs no package, and stays quiet in log files."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

CLEAR = "\r\x1b[K"
"""Goes to the start of the terminal's line and empties it."""


class Progress:
    """Show one line: redrawn on a terminal, every half minute in a file.

    Args:
        total: steps until the end.
        start: steps already done.
        enabled: False shows nothing (other ranks).
        stream: where to write.
        every_s: seconds between lines that cannot be redrawn.
    """

    WIDTH = 24

    def __init__(
        self,
        total: int,
        start: int = 0,
        enabled: bool = True,
        stream: TextIO | None = None,
        every_s: float = 30.0,
    ) -> None:
        self.total, self.start, self.enabled = total, start, enabled
        self.stream = sys.stderr if stream is None else stream
        self.redraw = self.stream.isatty()
        self.every_s = 0.2 if self.redraw else every_s
        self._began = time.monotonic()
        self._shown = 0.0
        self._standing = False

    def update(self, step: int, text: str, force: bool = False) -> None:
        """Show the state after `step` steps, if it is time to."""
        now = time.monotonic()
        if not self.enabled or (now - self._shown < self.every_s and not force):
            return
        self._shown = now
        done = step / max(1, self.total)
        left = (self.total - step) * (now - self._began) / max(1, step - self.start)
        bar = "#" * int(done * self.WIDTH)
        told = f"{step}/{self.total} left {duration(left)}, {text}"
        if self.redraw:
            self.stream.write(CLEAR + fitting(f"[{bar:<{self.WIDTH}}] ", told, self._columns()))
            self._standing = True
        else:
            self.stream.write(f"[{bar:<{self.WIDTH}}] {told}\n")
        self.stream.flush()

    def _columns(self) -> int:
        """Return the width of the terminal, which may change at any time."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def say(self, message: str) -> None:
        """Write a line of its own."""
        if self.enabled:
            if self.redraw:
                self.stream.write(CLEAR)
                self._standing = False
            self.stream.write(message + "\n")
            self.stream.flush()

    def close(self) -> None:
        """Leave the last state standing."""
        if self.enabled and self._standing:
            self.stream.write("\n")
            self.stream.flush()
            self._standing = False


def fitting(bar: str, text: str, columns: int) -> str:
    """Return a line that does not wrap: without the bar where both are too long, then cut.

    Args:
        bar: what goes first.
        text: with what matters most in front.
        columns: of the terminal.
    """
    room = columns - 1  # the last column makes some terminals wrap
    line = bar + text
    if len(line) > room and len(bar) > room // 3:
        line = text
    return line if len(line) <= room else line[: room - 1] + "…"


def duration(seconds: float) -> str:
    """Return seconds as ``1h02m``, ``3m05s`` or ``7s``."""
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    if whole >= 60:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole}s"
