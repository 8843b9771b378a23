"""Files of a store, checked before they are opened: regular, of the right size, inside."""

from __future__ import annotations

import os
import stat
from itertools import accumulate, islice
from pathlib import Path

from pepland_data.errors import StoreDamagedError
from pepland_data.store.manifest import FileEntry


def damaged(path: Path, why: object) -> StoreDamagedError:
    """Return the error for a file that is damaged."""
    return StoreDamagedError(
        f"{path} cannot be read ({' '.join(str(why).split())}); run `pepland-data verify` on the "
        "store, then copy the file again, or delete it and repeat the build"
    )


def check_file(folder: Path, entry: FileEntry) -> None:
    """Refuse a file before anything in it is used.

    Raises:
        StoreDamagedError: it is missing, no regular file, of another size, or outside the store.
    """
    size = check_inside(folder, entry.file)
    if size != entry.bytes:
        raise damaged(folder / entry.file, f"{size} bytes, expected {entry.bytes}")


def check_inside(folder: Path, file: str) -> int:
    """Return the size of a regular file in a store.

    The store itself may be reached through links. A link inside it must not lead out: a copy of the
    store would lack the file, and a forged store could name any file of this machine.

    Args:
        folder: of the store.
        file: path below it, with forward slashes.

    Raises:
        StoreDamagedError: it is missing, no regular file, or outside the store.
    """
    path = folder / file
    try:
        status = os.stat(path)
        ways = accumulate(file.split("/"), os.path.join, initial=str(folder))
        links = any(os.path.islink(way) for way in islice(ways, 1, None))
        real = os.path.realpath(path) if links else ""
    except (OSError, ValueError) as error:
        raise damaged(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise damaged(path, "it is no regular file")
    if links and not Path(real).is_relative_to(os.path.realpath(folder)):
        raise damaged(path, f"it is a link to {real}, outside the store; put a copy in its place")
    return status.st_size
