"""One build at a time in a folder: a lock that dies with its holder, on this machine and others.

The kernel's lock on a file ends with the process that holds it, however that ends, so a killed
build leaves nothing to clean up. Network file systems may not carry such locks to other machines;
therefore the holder also beats: it writes a number that grows. A file last written by another
machine whose number still grows is held, one that stands still is not; no clocks are compared.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pepland_data.errors import BuildError

LOCK_FILE = "lock"
BEAT_SECONDS = 2.0
"""How often the holder writes."""
WATCH_SECONDS = 10.0
"""How long the file of another machine must stand still to be taken for left behind."""
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What file systems without locks answer."""


class BuildLock:
    """Holds a folder from `take` to `release`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE
        self._file = -1
        self._beats = 0
        self._end = threading.Event()
        self._heart = threading.Thread(target=self._beat_on, name="build-lock", daemon=True)

    def take(self) -> BuildLock:
        """Take the lock, making the folder where it is missing.

        Raises:
            BuildError: another build holds it; the sentence says which.
        """
        local = self._open()
        try:
            held = _content(self._file)
            if held and not (local and held.get("machine") == machine()):
                self._watch(held)
            self._beat()
        except BaseException:
            os.close(self._file)
            raise
        self._heart.start()
        return self

    def release(self, clear: bool = False) -> None:
        """Let go and delete the file; with `clear` the folder and all that is in it."""
        if self._file < 0:
            return
        self._end.set()
        self._heart.join()
        if clear:
            empty(self.path.parent, but=LOCK_FILE)
        if self._is_there():
            self.path.unlink()
        if clear:
            with suppress(OSError):  # another build has just come in, and finds nothing to do
                self.path.parent.rmdir()
        os.close(self._file)
        self._file = -1

    def __enter__(self) -> BuildLock:
        return self.take()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _open(self) -> bool:
        """Open and lock the file; return False where the file system has no locks."""
        while True:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:  # the folder went between the two lines
                continue
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = True
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    held = _content(self._file)
                    os.close(self._file)
                    raise self._refusal(held) from None
                locked = False
            if self._is_there():
                return locked
            os.close(self._file)  # the holder before deleted it while this one waited

    def _is_there(self) -> bool:
        """Whether the open file is the one that has the name."""
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except FileNotFoundError:
            return False

    def _watch(self, held: dict[str, Any]) -> None:
        """Refuse if the file of another machine changes while it is watched."""
        until = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < until:
            time.sleep(BEAT_SECONDS / 4)
            with self.path.open("rb") as again:  # opening asks a network file system for news
                if _content(again.fileno()) != held:
                    raise self._refusal(held)

    def _refusal(self, held: dict[str, Any]) -> BuildError:
        who = f"process {held.get('pid', '?')} on {held.get('host', '?')}"
        return BuildError(
            f"{self.path.parent.parent} is being built already, by {who}; wait until it ends, "
            "stop it, or name another folder"
        )

    def _beat(self) -> None:
        self._beats += 1
        what = {"host": socket.gethostname(), "pid": os.getpid(), "machine": machine()}
        text = json.dumps({**what, "beat": self._beats}).encode()
        os.pwrite(self._file, text.ljust(os.fstat(self._file).st_size), 0)
        os.fsync(self._file)

    def _beat_on(self) -> None:
        while not self._end.wait(BEAT_SECONDS):
            try:
                self._beat()
            except OSError:  # a full disk is the build's to report
                continue


def empty(folder: Path, but: str) -> None:
    """Delete everything in a folder but one name."""
    for path in folder.iterdir():
        if path.name == but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def machine() -> str:
    """Return what tells this running system from all others; containers on it share it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def _content(file: int) -> dict[str, Any]:
    """Return what the holder wrote, {} where that is nothing or half."""
    try:
        found = json.loads(os.pread(file, 4096, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
