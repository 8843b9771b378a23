"""When a worker process ends: with the build that started it, and never by a signal itself."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PR_SET_PDEATHSIG = 1
CHECK_SECONDS = 0.5


INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a build."""


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block `INTERRUPTS` in this thread, so that processes started inside never receive them.

    Ctrl-C in a terminal, its closing, and some schedulers signal every process of a build. Only the
    main process may react: a worker that is still starting would print a traceback, and the row of
    a converting process would become a reject. A child inherits the mask of the thread that starts
    it. The main process receives the signal in another thread or at the end of the block.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with(parent: int) -> None:
    """End this process within a second after its parent process `parent` has ended.

    A thread checks for this, because the signal that the kernel offers (see `killed_with_parent`)
    depends on the thread that started the process, and a pool starts workers from short-lived
    threads.
    """
    threading.Thread(target=_check, args=(parent,), name="parent-watch", daemon=True).start()


def _check(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK_SECONDS)
    os._exit(1)


def killed_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends; Linux only.

    For a process that spends its time in native code, where no Python thread would run.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
