"""Records of an SDF file as chunks: a mol block, its name, and a column for each property.

The text of a row is the mol block. The process that converts it reads it with RDKit, so that a bad
record cannot end a build (`pepland_data.chem.notation.molblock`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from pepland_data.errors import InputError
from pepland_data.inputs.chunk import Chunk
from pepland_data.inputs.header import column_names
from pepland_data.inputs.text_lines import Lines

RECORD_END = b"\n$$$$"
BLOCK_END = b"\nM  END"
LINES_AT_ONCE = 1 << 14
MAX_RECORD = 16 * 2**20
"""Most bytes of one record; the rest of it is not kept."""
SHOWN = 1000
"""Bytes of a record without a mol block that become the text of its reject."""
PROPERTY_NAME = re.compile(r">[^<]*<(.*)>")


def sdf_chunks(open_lines: Callable[[], Lines], rows_per_chunk: int) -> Iterator[Chunk]:
    """Yield the records of a file in chunks.

    The file is read twice: a column for each property is needed before the first row is returned,
    and a record may lack any property.

    Args:
        open_lines: opens the file at its beginning.
        rows_per_chunk: records in a chunk.
    """
    known = (name for record in _records(open_lines()) for name in _properties(record))
    properties = list(dict.fromkeys(known))
    names = column_names(["smiles", "name", *properties], 0)[1:]
    records, first_row = _records(open_lines()), 0
    while some := list(islice(records, rows_per_chunk)):
        problems = {i: why for i, record in enumerate(some) if (why := _problem(record))}
        sizes = [SHOWN if i in problems else _block_size(one) for i, one in enumerate(some)]
        blocks = [_text(record[:size]) for record, size in zip(some, sizes, strict=True)]
        found = [_properties(record) for record in some]
        values = [[block.partition("\n")[0].strip() or None for block in blocks]]
        values += [[one.get(name) or None for one in found] for name in properties]
        yield Chunk(first_row, blocks, problems, dict(zip(names, values, strict=True)))
        first_row += len(some)


def check_column(path: Path, column: str | None, input_format: str) -> None:
    """Refuse options that name another text than the molecules of an SDF file."""
    if column is not None:
        raise InputError(
            f"{path} is an SDF file, whose molecules are read, not the column {column!r}; "
            "leave out --smiles-column"
        )
    if input_format not in ("auto", "smiles"):
        raise InputError(
            f"{path} is an SDF file, whose molecules are no {input_format}; leave out "
            "--input-format"
        )


def _records(lines: Lines) -> Iterator[bytes]:
    """Yield the bytes of each record, without the line that ends it."""
    rest, taken = b"\n", 1  # the rest of a line that ended a record, then the next record
    while taken:
        data, taken = lines.take(LINES_AT_ONCE)
        *whole, rest = (rest + data).split(RECORD_END)
        yield from (record.partition(b"\n")[2] for record in whole)
        if len(rest) > MAX_RECORD:
            rest = rest[: MAX_RECORD + 2] + b"\n"
    if rest.partition(b"\n")[2].strip():
        yield rest.partition(b"\n")[2]


def _block_size(record: bytes) -> int:
    """Return the number of bytes of the mol block; all bytes if the block has no end."""
    end = record.find(BLOCK_END)
    return len(record) if end < 0 else (record.find(b"\n", end + 1) + 1) or len(record)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def _problem(record: bytes) -> str | None:
    """Return why a record cannot be read, as far as this can be seen without RDKit."""
    if len(record) > MAX_RECORD:
        return f"the SDF record has more than {MAX_RECORD:,} bytes"
    if not record.strip():
        return "the SDF record is empty"
    if BLOCK_END not in record:
        return "the SDF record has no line 'M  END', with which a mol block ends"
    return None


def _properties(record: bytes) -> dict[str, str]:
    """Return the properties below the mol block; an empty line ends a value."""
    found: dict[str, str] = {}
    name: str | None = None
    for line in _text(record[_block_size(record) :]).split("\n"):
        if name is None and line.startswith(">"):
            match = PROPERTY_NAME.match(line)
            name = match[1] if match else line[1:].strip()
            found[name] = ""
        elif not line.strip():
            name = None
        elif name is not None:
            found[name] += f"\n{line.rstrip()}" if found[name] else line.rstrip()
    return found
