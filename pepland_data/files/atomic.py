"""Files that are whole or not there: written aside, flushed to disk, renamed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

TEMP_PREFIX = ".tmp-"
_OWN = threading.local()


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file beside `path`, flush it to disk, and give it its name.

    Whatever goes wrong on the way, `path` is what it was before, and nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{TEMP_PREFIX}{secrets.token_hex(6)}-{path.name}"
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            if flushing():
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if flushing():
        sync_folder(path.parent)


@contextmanager
def unflushed() -> Iterator[None]:
    """Rename files without flushing them to disk first, in this thread.

    For what is held against checksums before it is used: after a loss of power it is made again.
    A chunk of a build is nine files, each of which would wait for the disk twice.
    """
    _OWN.flushing = False
    try:
        yield
    finally:
        _OWN.flushing = True


def flushing() -> bool:
    """Return whether `write_atomic` flushes in this thread."""
    return getattr(_OWN, "flushing", True)


def write_atomic_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` as `write_atomic` does."""
    write_atomic(path, lambda file: file.write(data))


def write_json(path: Path, document: object) -> None:
    """Write a JSON document to `path` as `write_atomic` does."""
    write_atomic_bytes(path, (json.dumps(document, indent=1) + "\n").encode())


def sync_folder(folder: Path) -> None:
    """Flush a rename to disk; systems that cannot open folders do it by themselves."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Delete what killed writers left in a folder and below."""
    for path in folder.rglob(f"{TEMP_PREFIX}*"):
        path.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
