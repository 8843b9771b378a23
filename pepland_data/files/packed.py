"""Compressed files: how they are recognised, and what opens them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

UNPACKING_ERRORS = (EOFError, zlib.error, lzma.LZMAError, OSError, pa.ArrowException)
"""What a damaged compressed file raises."""


def _arrow_stream(name: str) -> Callable[[Path], Any]:
    return lambda path: pa.CompressedInputStream(pa.OSFile(os.fsencode(path)), name)


ZSTD = b"\x28\xb5\x2f\xfd"
PACKED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open,
    ZSTD: _arrow_stream("zstd"), b"\x04\x22\x4d\x18": _arrow_stream("lz4"),
}  # fmt: skip
PACKED |= {bytes([first, 0x2A, 0x4D, 0x18]): PACKED[ZSTD] for first in range(0x50, 0x60)}
"""First bytes of a compressed file -> what opens it; pzstd begins with an empty frame."""


def packing(head: bytes) -> bytes:
    """Return the first bytes that say how a file is compressed, empty for one that is not."""
    return next((mark for mark in PACKED if head.startswith(mark)), b"")


def open_unpacked(path: Path, packed: bytes) -> Any:
    """Open a file for reading bytes, uncompressed; `packed` as `packing` returns it."""
    return PACKED[packed](path) if packed else path.open("rb", buffering=0)
