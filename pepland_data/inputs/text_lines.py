"""Lines of a file, one by one or many at a stroke, and bytes in them that are no text.

The process that hands out work reads the whole input, so its cost per line counts: where lines end
is looked up for a quarter of a megabyte at once, and a thousand of them are one slice.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pepland_data.errors import InputError

READ_SIZE = 1 << 18
"""Bytes read at once."""
UTF16 = (b"\xff\xfe", b"\xfe\xff")
"""How a file in UTF-16 begins."""
BOM = b"\xef\xbb\xbf"
"""How some programs begin a file in UTF-8; it is no part of the first line."""


class Lines:
    r"""Iterates over the lines of a file as bytes, each with its ``\n``, bar perhaps the last.

    Args:
        path: the file; it is closed when its end is reached or nobody holds the lines.
        gzipped: whether it is to be unpacked.

    Raises:
        InputError: on the way, where the file cannot be read to its end.
    """

    def __init__(self, path: Path, gzipped: bool) -> None:
        self.path = path
        self._file: Any = gzip.open(path) if gzipped else path.open("rb", buffering=0)  # noqa: SIM115
        self._bytes = b""
        self._before = 0  # bytes that were read and left
        self._start = 0  # of the next line in the bytes
        self._ends = np.zeros(0, np.int64)  # of the whole lines in the bytes
        self._next = 0  # line in the bytes
        self._read()
        self._skip_mark()

    def _skip_mark(self) -> None:
        if self._bytes.startswith(UTF16):
            raise InputError(f"{self.path} is written in UTF-16; save it as UTF-8")
        if self._bytes.startswith(BOM):
            self._start = len(BOM)
            self._next = int(self._bytes == BOM)  # then there is no line at all

    def __iter__(self) -> Iterator[bytes]:
        while self._next < len(self._ends) or self._read():
            start, self._start = self._start, int(self._ends[self._next])
            self._next += 1
            yield self._bytes[start : self._start]

    @property
    def position(self) -> int:
        """Bytes of the content before the next line."""
        return self._before + self._start

    def peek(self) -> bytes:
        """Return the next line and leave it there; nothing at the end of the file."""
        if self._next == len(self._ends) and not self._read():
            return b""
        return self._bytes[self._start : int(self._ends[self._next])]

    def take(self, count: int) -> tuple[bytes, int]:
        """Return the next lines as one piece, and their number: below `count` at the end only."""
        pieces: list[bytes] = []
        missing = count
        while missing and (self._next < len(self._ends) or self._read()):
            here = min(missing, len(self._ends) - self._next)
            self._next += here
            start, self._start = self._start, int(self._ends[self._next - 1])
            pieces.append(self._bytes[start : self._start])
            missing -= here
        return b"".join(pieces), count - missing

    def _read(self) -> bool:
        """Read on until a whole line is there; return False at the end of the file."""
        self._before += self._start
        pieces = [self._bytes[self._start :]]
        size, ends = len(pieces[0]), np.zeros(0, np.int64)
        while not len(ends) and (piece := self._piece()):
            ends = np.flatnonzero(np.frombuffer(piece, np.uint8) == ord("\n")) + (size + 1)
            pieces.append(piece)
            size += len(piece)
        if not len(ends) and size:
            ends = np.array([size])  # the last line has no end
        self._bytes, self._start, self._ends, self._next = b"".join(pieces), 0, ends, 0
        return bool(size)

    def _piece(self) -> bytes:
        if self._file.closed:
            return b""
        try:
            piece: bytes = self._file.read(READ_SIZE)
        except (EOFError, zlib.error, OSError) as error:
            raise InputError(f"{self.path} cannot be read to its end: {error}") from error
        if not piece:
            self._file.close()
        return piece


def decoded(lines: Iterable[bytes]) -> Iterator[str]:
    """Return lines as text; bytes that are not UTF-8 are kept as lone surrogates."""
    return (line.decode("utf-8", "surrogateescape") for line in lines)


def clean(text: str) -> str:
    """Return the text with bytes that are not UTF-8 replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def unprintable(text: str) -> tuple[str, str | None]:
    """Return a text that is not printable without its ends, and what is wrong with the rest."""
    stripped = text.strip()
    if stripped.isprintable():
        return stripped, None
    try:
        stripped.encode("utf-8")
    except UnicodeEncodeError:
        return clean(stripped), "not UTF-8"
    return stripped, "control characters in the text"
