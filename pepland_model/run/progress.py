"""A progress line: redrawn on a terminal and in a notebook, few lines in a log file."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

CLEAR = "\r\x1b[K"
"""Terminal codes: go to the start of the line and clear it."""


class Progress:
    """Write progress lines and messages.

    Args:
        total: number of steps of the run.
        start: steps already done when the run was resumed.
        enabled: False writes nothing, for ranks other than 0.
        stream: where to write, by default stderr; in a notebook stdout, which is not coloured.
        every_s: seconds between lines where the line cannot be redrawn.
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
        usual = sys.stdout if in_notebook(sys.stdout) else sys.stderr
        self.stream = usual if stream is None else stream
        self.redraw = self.stream.isatty() or in_notebook(self.stream)
        self.every_s = 0.2 if self.redraw else every_s
        self._began = time.monotonic()
        self._shown = 0.0
        self._line_open = False
        self._length = 0

    def update(self, step: int, text: str, force: bool = False) -> None:
        """Write a line for the state after `step` steps, unless the last one is too recent."""
        now = time.monotonic()
        if not self.enabled or (now - self._shown < self.every_s and not force):
            return
        self._shown = now
        done = step / max(1, self.total)
        left = (self.total - step) * (now - self._began) / max(1, step - self.start)
        bar = "#" * int(done * self.WIDTH)
        bar = f"[{bar:<{self.WIDTH}}] "
        text = f"{step}/{self.total} left {duration(left)}, {text}"
        if self.redraw:
            self._line_open = True
            self._redraw(fit_line(bar, text, self._columns()))
        else:
            self._write(f"{bar}{text}\n")

    def _redraw(self, line: str, end: str = "") -> None:
        """Write over the present line: a terminal clears it, a notebook needs blanks."""
        written = CLEAR + line if self.stream.isatty() else "\r" + line.ljust(self._length)
        self._length = 0 if end else len(line)
        self._write(written + end)

    def _write(self, text: str) -> None:
        """Write at once; a terminal that was closed ends the lines, not the run."""
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:
            self.enabled = self._line_open = False

    def _columns(self) -> int:
        """Return the present width of the terminal in characters; 80 in a notebook."""
        if not self.stream.isatty():
            return 80
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def say(self, message: str) -> None:
        """Write a message on a line of its own."""
        if self.enabled:
            self._line_open = False
            self._redraw(message, "\n") if self.redraw else self._write(f"{message}\n")

    def close(self) -> None:
        """End the line that was drawn last."""
        if self._line_open:
            self._line_open = False
            self._write("\n")


def in_notebook(stream: TextIO) -> bool:
    """Return whether a stream is that of a cell of a notebook."""
    return type(stream).__module__.startswith("ipykernel.")


def fit_line(bar: str, text: str, columns: int) -> str:
    """Return a line that does not wrap: without the bar if both are too long, then shortened.

    Args:
        bar: start of the line.
        text: rest of the line, the most important first.
        columns: width of the terminal.
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
