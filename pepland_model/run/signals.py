"""SIGTERM, SIGHUP and Ctrl-C set a flag, so that the run can write a checkpoint before it ends."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """A flag that SIGTERM, SIGHUP and SIGINT set inside the context.

    A second Ctrl-C ends at once. SIGHUP stays ignored if it is (``nohup``).
    """

    SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

    def __init__(self) -> None:
        self.received: str | None = None  # name of the signal
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            heard = [s for s in self.SIGNALS if s != signal.SIGHUP or not nohup]
            self._before = {s: signal.signal(s, self._receive) for s in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number).name
