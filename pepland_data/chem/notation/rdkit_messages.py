"""Collect the messages of RDKit instead of printing them."""

from __future__ import annotations

import logging
import re

from rdkit import rdBase

FRAME, TRACE = "****", "Violation occurred on line"
"""Line before and after the message of a broken invariant, and start of its last part.

This part holds addresses and paths, which differ between two runs.
"""
CLOCK = re.compile(r"^\[\d\d:\d\d:\d\d\] ?")


class RdkitMessages(logging.Handler):
    """Collects RDKit's warnings and errors while it is entered; nothing is printed.

    RDKit has one log per process, so only one thread may use this class at a time.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._lines: list[str] = []
        self._logger = logging.getLogger("rdkit")

    def emit(self, record: logging.LogRecord) -> None:
        """Store one message."""
        self._lines += [CLOCK.sub("", line) for line in record.getMessage().splitlines()]

    def take(self) -> list[str]:
        """Return the lines since the last call, without their time and without stack traces."""
        if not self._lines:
            return []
        lines, self._lines = [line.strip() for line in self._lines], []
        found, in_trace = [], False
        for line in lines:
            in_trace = (in_trace or line.startswith(TRACE)) and line != FRAME
            if line and line != FRAME and not in_trace:
                found.append(line)
        return found

    def __enter__(self) -> RdkitMessages:
        self._disabled = [
            line.split(":")[0] for line in rdBase.LogStatus().splitlines() if "disabled" in line
        ]
        self._before = self._logger.propagate, self._logger.level, self._logger.handlers
        self._logger.propagate, self._logger.handlers = False, [self]
        self._logger.setLevel(logging.DEBUG)
        rdBase.LogToPythonLogger()
        return self

    def __exit__(self, *_: object) -> None:
        rdBase.LogToCppStreams()
        for name in self._disabled:
            rdBase.DisableLog(name)
        self._logger.propagate, level, self._logger.handlers = self._before
        self._logger.setLevel(level)
