"""Records of an SDF file as chunks: a mol block, its name, and a column for each property.

The text of a row is the mol block. The process that converts it reads it with RDKit, so that a bad
record cannot end a build (`pepland_data.chem.notation.molblock`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pepland_data.errors import InputError
from pepland_data.inputs.chunk import Chunk
from pepland_data.inputs.header import column_names
from pepland_data.inputs.text_lines import Lines, clean

RECORD_END = b"$$$$"
MAX_RECORD = 16 * 2**20
"""Most bytes of one record; the rest of it is not kept."""
BLOCK_END = re.compile(r"^M  END[^\n]*(?:\n|\Z)", re.MULTILINE)
PROPERTY_NAME = re.compile(r">[^<]*<(.*)>")


@dataclass(frozen=True)
class SdfRecord:
    """One record of the file."""

    block: str
    """Its mol block; the whole record if the block has no end."""
    problem: str | None
    """Why it cannot be read."""
    properties: dict[str, str]
    """Property -> value; lines of a value are joined by line breaks."""


def sdf_chunks(open_lines: Callable[[], Lines], rows_per_chunk: int) -> Iterator[Chunk]:
    """Yield the records of a file in chunks.

    The file is read twice: a column for each property is needed before the first row is returned,
    and a record may lack any property.

    Args:
        open_lines: opens the file at its beginning.
        rows_per_chunk: records in a chunk.
    """
    properties = list(dict.fromkeys(n for r in _records(open_lines()) for n in r.properties))
    names = column_names(["smiles", "name", *properties], 0)[1:]
    records, first_row = _records(open_lines()), 0
    while some := list(islice(records, rows_per_chunk)):
        values = [[r.block.partition("\n")[0].strip() for r in some]]
        values += [[r.properties.get(name, "") for r in some] for name in properties]
        yield Chunk(
            first_row,
            [r.block for r in some],
            {i: r.problem for i, r in enumerate(some) if r.problem},
            {name: [v or None for v in one] for name, one in zip(names, values, strict=True)},
        )
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


def _records(lines: Lines) -> Iterator[SdfRecord]:
    kept: list[bytes] = []
    size = 0
    for line in lines:
        if line.startswith(RECORD_END):
            yield _record(kept, size)
            kept, size = [], 0
            continue
        size += len(line)
        if size <= MAX_RECORD:
            kept.append(line)
    if any(line.strip() for line in kept):
        yield _record(kept, size)


def _record(lines: list[bytes], size: int) -> SdfRecord:
    text = clean(b"".join(lines).decode("utf-8", "surrogateescape")).replace("\r\n", "\n")
    found = BLOCK_END.search(text)
    if size > MAX_RECORD:
        return SdfRecord("", f"the SDF record has more than {MAX_RECORD:,} bytes", {})
    if not found:
        why = (
            "is empty" if not text.strip() else "has no line 'M  END', with which a mol block ends"
        )
        return SdfRecord(text, f"the SDF record {why}", {})
    return SdfRecord(text[: found.end()], None, _properties(text[found.end() :]))


def _properties(text: str) -> dict[str, str]:
    """Return the properties below a mol block; an empty line ends a value."""
    found: dict[str, str] = {}
    name: str | None = None
    for line in text.split("\n"):
        if name is None and line.startswith(">"):
            match = PROPERTY_NAME.match(line)
            name = match[1] if match else line[1:].strip()
            found[name] = ""
        elif not line.strip():
            name = None
        elif name is not None:
            found[name] += f"\n{line.rstrip()}" if found[name] else line.rstrip()
    return found
