"""RDKit as this package uses it: its messages collected, its global switches at their defaults."""

from __future__ import annotations

import logging
import re

from rdkit import Chem, rdBase

FRAME, TRACE = "****", "Violation occurred on line"
"""Line before and after the message of a broken invariant, and start of its last part.

This part holds addresses and paths, which differ between two runs.
"""
CLOCK = re.compile(r"^\[\d\d:\d\d:\d\d\] ?")
DEFAULTS = {
    "UseLegacyStereoPerception": True,
    "UseLegacyRingFinding": False,
    "AllowNontetrahedralChirality": True,
    "DefaultPickleProperties": Chem.PropertyPickleOptions.NoProps,
}
"""RDKit's global switches that change how a text is read; programs and ``RDK_...`` variables of
the environment can set them."""
LOGGER_STATE = ("propagate", "handlers", "filters", "disabled", "level")


class RdkitMessages(logging.Handler):
    """Collects RDKit's warnings and errors while it is entered; nothing is printed.

    The molecules and the messages depend on the texts alone: while this is entered, RDKit's
    switches have their default values, and no setting of a log hides a message. The settings of the
    caller are put back at the end. They belong to the process, so only one thread may use this
    class at a time.
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
        self._switches = set_switches(DEFAULTS)
        self._disabled = [
            line.split(":")[0] for line in rdBase.LogStatus().splitlines() if "disabled" in line
        ]
        self._before = {name: getattr(self._logger, name) for name in LOGGER_STATE}
        self._silenced = self._logger.manager.disable
        self._logger.propagate, self._logger.disabled = False, False
        self._logger.handlers, self._logger.filters = [self], []
        self._logger.setLevel(logging.DEBUG)
        logging.disable(logging.NOTSET)
        rdBase.LogToPythonLogger()
        return self

    def __exit__(self, *_: object) -> None:
        rdBase.LogToCppStreams()
        for name in self._disabled:
            rdBase.DisableLog(name)
        for name, value in self._before.items():
            setattr(self._logger, name, value)
        logging.disable(self._silenced)  # also forgets which levels are on
        set_switches(self._switches)


def set_switches(values: dict[str, object]) -> dict[str, object]:
    """Set those of RDKit's global switches that this RDKit has; return their values before."""
    known = {name: value for name, value in values.items() if hasattr(Chem, f"Set{name}")}
    before = {name: getattr(Chem, f"Get{name}")() for name in known}
    for name, value in known.items():
        getattr(Chem, f"Set{name}")(value)
    return before
