"""Let only one build at a time work in a folder, on this machine or on others.

The kernel holds the lock on a file. The lock ends with the process that took it, so a killed build
leaves nothing to clean up. Network file systems may hide such locks from other machines. The holder
therefore also writes a growing number (the heartbeat) to the file: another machine still holds a
lock if its number grows. No clocks are compared.
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
from pepland_data.files.json_forms import parse_json

LOCK_FILE = "lock"
BEAT_SECONDS = 2.0
"""Time between two heartbeats of the holder."""
WATCH_SECONDS = 10.0
"""A lock of another machine is free if its file does not change for this time."""
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""Error numbers of file systems without locks."""


class BuildLock:
    """The lock of a folder, held from `take` to `release`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE
        self._file = -1
        self._beats = 0
        self._released = threading.Event()
        self._heartbeat = threading.Thread(target=self._beat_often, name="build-lock", daemon=True)

    def take(self) -> BuildLock:
        """Take the lock; make the folder if it does not exist.

        Raises:
            BuildError: another build holds the lock; the message names its process and machine.
        """
        locked = self._open()
        try:
            held = _content(self._file)
            if held and not (locked and held.get("machine") == machine()):
                self._refuse_if_growing(held)
            self._beat()
        except BaseException:
            os.close(self._file)
            raise
        self._heartbeat.start()
        return self

    def release(self, clear: bool = False) -> None:
        """Release the lock and delete its file; with `clear` also the folder and its contents."""
        if self._file < 0:
            return
        self._released.set()
        self._heartbeat.join()
        if clear:
            empty(self.path.parent, but=LOCK_FILE)
        if self._has_name():
            self.path.unlink()
        if clear:
            with suppress(OSError):  # another build may have locked the folder just now
                self.path.parent.rmdir()
        os.close(self._file)
        self._file = -1

    def __enter__(self) -> BuildLock:
        return self.take()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _open(self) -> bool:
        """Open and lock the file; return False if the file system has no locks."""
        while True:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:  # another build deleted the folder
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
            if self._has_name():
                return locked
            os.close(self._file)  # the previous holder deleted the file meanwhile

    def _has_name(self) -> bool:
        """Return whether the path still belongs to the open file."""
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except FileNotFoundError:
            return False

    def _refuse_if_growing(self, held: dict[str, Any]) -> None:
        """Raise BuildError if the file changes within `WATCH_SECONDS`."""
        until = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < until:
            time.sleep(BEAT_SECONDS / 4)
            with self.path.open("rb") as again:  # opening updates the view of a network file system
                if _content(again.fileno()) != held:
                    raise self._refusal(held)

    def _refusal(self, held: dict[str, Any]) -> BuildError:
        who = f"process {held.get('pid', '?')} on {held.get('host', '?')}"
        return BuildError(
            f"{self.path.parent.parent} is already being built by {who}; wait until it "
            "ends, stop it, or name another folder"
        )

    def _beat(self) -> None:
        self._beats += 1
        what = {"host": socket.gethostname(), "pid": os.getpid(), "machine": machine()}
        text = json.dumps({**what, "beat": self._beats}).encode()
        os.pwrite(self._file, text.ljust(os.fstat(self._file).st_size), 0)
        os.fsync(self._file)

    def _beat_often(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            try:
                self._beat()
            except OSError:  # the build itself reports a full disk
                continue


def empty(folder: Path, but: str) -> None:
    """Delete everything in a folder except one name."""
    for path in folder.iterdir():
        if path.name == but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def machine() -> str:
    """Return an identifier of the running system; containers on it have the same one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return socket.gethostname()


def _content(file: int) -> dict[str, Any]:
    """Return what the holder wrote, {} if the file is empty or incomplete."""
    try:
        found = parse_json(os.pread(file, 4096, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
