"""Worker processes that end with the build they belong to, even if that is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.5


def end_with(parent: int) -> None:
    """End this process within a second after `parent`, which started it, is gone.

    A thread looks, because the kernel's own signal follows the thread that started a process, and
    a pool starts its workers from threads that come and go.
    """
    threading.Thread(target=_look, args=(parent,), name="parent-watch", daemon=True).start()


def _look(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def killed_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends; Linux only.

    For a process that spends its time in native code, where no thread of its own would run.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
