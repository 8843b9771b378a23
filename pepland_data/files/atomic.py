"""Write complete files only: under a temporary name, flushed to disk, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

TEMP_PREFIX = ".tmp-"
_THREAD = threading.local()


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file, flush it to disk, and rename it to `path`.

    If an error occurs, `path` is unchanged and the temporary file is deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flushing = getattr(_THREAD, "flushing", True)
    temporary = path.parent / f"{TEMP_PREFIX}{secrets.token_hex(6)}-{path.name}"
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            if flushing:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if flushing:
        sync_folder(path.parent)


@contextmanager
def unflushed() -> Iterator[None]:
    """Let `write_atomic` rename files without flushing them to disk, in this thread.

    Only for files whose checksums are verified before use: after a loss of power they are written
    again. A chunk of a build has nine files, and each would wait for the disk twice.
    """
    _THREAD.flushing = False
    try:
        yield
    finally:
        _THREAD.flushing = True


def write_atomic_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` with `write_atomic`."""
    write_atomic(path, lambda file: file.write(data))


def write_json(path: Path, document: object) -> None:
    """Write a JSON document to `path` with `write_atomic`."""
    write_atomic_bytes(path, (json.dumps(document, indent=1) + "\n").encode())


@contextmanager
def new_folder(out: Path, doing: str) -> Iterator[Path]:
    """Yield a temporary folder beside `out`, which becomes `out` at the end.

    Args:
        out: folder that does not exist, or is empty.
        doing: end of the name of the temporary folder. If an error occurs, it is deleted.
    """
    work = out.parent / f".{out.name}.{doing}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
        work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Flush renames in a folder to disk, if the system can open folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of killed processes in a folder and its subfolders."""
    for path in folder.rglob(f"{TEMP_PREFIX}*"):
        path.unlink(missing_ok=True)


def utf8_name(path: str | Path) -> str:
    """Return the name of a file as UTF-8, whatever the locale; U+FFFD for bytes that are not."""
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
