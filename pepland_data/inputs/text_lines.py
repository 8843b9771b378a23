"""Lines of a file as bytes, one by one or many at once, and bytes that are not text.

One process reads the whole input and sends lines to the workers, so the cost per line counts. Line
ends are found for 256 KiB at once, and a thousand lines are one slice of these bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pepland_data.errors import InputError
from pepland_data.files.packed import UNPACKING_ERRORS
from pepland_data.inputs.file_kind import PLAIN_TEXT, FileKind

READ_SIZE = 1 << 18
"""Bytes read at once."""
UTF16 = (b"\xff\xfe", b"\xfe\xff")
"""First bytes of a file in UTF-16."""
BOM = b"\xef\xbb\xbf"
"""First bytes of some files in UTF-8; they are not part of the first line."""


class Lines:
    r"""Iterator over the lines of a file as bytes, each with its ``\n`` except perhaps the last.

    Args:
        path: the file; it is closed at its end, or when this object is deleted.
        kind: how to open it.

    Raises:
        InputError: during the iteration, if the file cannot be read to its end.
    """

    def __init__(self, path: Path, kind: FileKind = PLAIN_TEXT) -> None:
        self.path = path
        self._file: Any = kind.open(path)
        self._bytes = b""
        self._before = 0  # bytes of the content before these
        self._start = 0  # position of the next line
        self._ends = np.zeros(0, np.int64)  # ends of the complete lines
        self._next = 0  # index of the next line
        self._read()
        self._skip_bom()

    def _skip_bom(self) -> None:
        if self._bytes.startswith(UTF16):
            raise InputError(f"{self.path} is written in UTF-16 or UTF-32; save it as UTF-8")
        if self._bytes.startswith(BOM):
            self._start = len(BOM)
            self._next = int(self._bytes == BOM)  # then the file has no line

    def __iter__(self) -> Iterator[bytes]:
        while self._next < len(self._ends) or self._read():
            start, self._start = self._start, int(self._ends[self._next])
            self._next += 1
            yield self._bytes[start : self._start]

    @property
    def position(self) -> int:
        """Position of the next line in the content, in bytes."""
        return self._before + self._start

    def peek(self) -> bytes:
        """Return the next line without taking it; nothing at the end of the file."""
        if self._next == len(self._ends) and not self._read():
            return b""
        return self._bytes[self._start : int(self._ends[self._next])]

    def head(self) -> bytes:
        """Return the next lines as far as they are read already, at least one, without taking them.

        The last line may be incomplete.
        """
        return self._bytes[self._start :] if self.peek() else b""

    def take(self, count: int) -> tuple[bytes, int]:
        """Return the next `count` lines joined, and their number, smaller only at the end."""
        blocks: list[bytes] = []
        missing = count
        while missing and (self._next < len(self._ends) or self._read()):
            here = min(missing, len(self._ends) - self._next)
            self._next += here
            start, self._start = self._start, int(self._ends[self._next - 1])
            blocks.append(self._bytes[start : self._start])
            missing -= here
        return b"".join(blocks), count - missing

    def _read(self) -> bool:
        """Read until a complete line is there; return False at the end of the file."""
        self._before += self._start
        blocks = [self._bytes[self._start :]]
        size, ends = len(blocks[0]), np.zeros(0, np.int64)
        while not len(ends) and (data := self._read_block()):
            ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + (size + 1)
            blocks.append(data)
            size += len(data)
        if not len(ends) and size:
            ends = np.array([size])  # the last line has no line end
        self._bytes, self._start, self._ends, self._next = b"".join(blocks), 0, ends, 0
        return bool(size)

    def _read_block(self) -> bytes:
        if self._file.closed:
            return b""
        try:
            data: bytes = self._file.read(READ_SIZE)
        except UNPACKING_ERRORS as error:
            raise InputError(f"{self.path} cannot be read to its end: {error}") from error
        if not data:
            self._file.close()
        return data


def decoded(lines: Iterable[bytes]) -> Iterator[str]:
    """Return lines as str; bytes that are not UTF-8 become lone surrogates."""
    return (line.decode("utf-8", "surrogateescape") for line in lines)


def clean(text: str) -> str:
    """Return the text with U+FFFD in place of bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def unprintable(text: str) -> tuple[str, str | None]:
    """Return an unprintable text without white space at its ends, and its problem, if any."""
    stripped = text.strip()
    if stripped.isprintable():
        return stripped, None
    try:
        stripped.encode("utf-8")
    except UnicodeEncodeError:
        return clean(stripped), "not UTF-8"
    return stripped, "control characters in the text"
