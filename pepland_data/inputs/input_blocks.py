"""Input files as blocks of rows, streamed: memory does not depend on their length."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from pepland_data.errors import InputError
from pepland_data.inputs.header import TEXT_COLUMNS, check_header, column_names, text_column
from pepland_data.inputs.parquet import parquet_chunks
from pepland_data.inputs.rows import Chunk, Row, chunk_of, csv_rows, fasta_rows, plain_rows
from pepland_data.inputs.text_lines import Lines, decoded


@dataclass(frozen=True)
class FileKind:
    """How an input is read."""

    kind: str
    """``csv``, ``tsv``, ``smi``, ``txt``, ``fasta`` or ``parquet``."""
    gzipped: bool


SUFFIXES = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".smi": "smi", ".smiles": "smi", ".txt": "txt",
    ".fasta": "fasta", ".fa": "fasta", ".faa": "fasta", ".parquet": "parquet", ".pq": "parquet",
    ".helm": "txt",
}  # fmt: skip


def file_kind(path: Path, input_format: str = "smiles") -> FileKind:
    """Return how to read a file, from its name and, for gzip, its first bytes."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".gzip"):
        suffixes.pop()
    kind = SUFFIXES.get(suffixes[-1], "txt") if suffixes else "txt"
    if kind != "parquet" and input_format == "fasta":
        kind = "fasta"
    with path.open("rb") as file:
        head = file.read(2)
    return FileKind(kind, head == b"\x1f\x8b")


def check_input(path: Path) -> None:
    """Refuse an input that is not there, is not a file, or is empty."""
    if not path.exists():
        raise InputError(f"there is no input file {path}; check the path")
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; expected a CSV, TSV, .smi, .txt, FASTA or Parquet file"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; expected one peptide a row")


@dataclass(frozen=True)
class FileSpan:
    """Consecutive bytes of a file."""

    path: Path
    start: int
    """Of the first byte."""
    size: int
    """How many there are."""

    def read(self) -> bytes:
        """Return the bytes; fewer where the file has become shorter."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


@dataclass(frozen=True)
class LineBlock:
    """Consecutive lines that are one row each, as they lie in the file; a worker parses them."""

    first_row: int
    """Number of the first row."""
    lines: bytes | FileSpan
    """The lines with their ends, or where they are."""
    rows: int
    """How many there are."""
    names: tuple[str, ...]
    """Columns."""
    text_at: int
    """Which of them is the text."""
    delimiter: str | None
    """Of the fields; None where a line is a text and a name."""

    def __len__(self) -> int:
        return self.rows

    def parse(self) -> Chunk:
        """Return the rows.

        Raises:
            InputError: the lines are no longer where they were.
        """
        data = self.lines if isinstance(self.lines, bytes) else self._read(self.lines)
        lines = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="\n")
        rows = csv_rows(lines, self.delimiter) if self.delimiter else plain_rows(lines)
        return chunk_of(list(rows), list(self.names), self.text_at, self.first_row)

    def _read(self, piece: FileSpan) -> bytes:
        data = piece.read()
        found = data.count(b"\n") + (not data.endswith(b"\n"))
        if len(data) != piece.size or found != self.rows:
            raise changed(piece.path)
        return data


def file_state(path: Path) -> tuple[int, int]:
    """Return size and time of change, which tell whether a file was written to."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def changed(path: Path) -> InputError:
    """Return the error for a file that is not what it was when the build began."""
    return InputError(f"{path} changed while it was read; repeat the build when it is complete")


Block = Chunk | LineBlock
"""Rows that are read or are still to be parsed; ``parse()`` gives the chunk of both."""


def read_chunks(
    path: Path,
    rows_per_chunk: int,
    column: str | None,
    input_format: str,
    part: range | None = None,
) -> Iterator[Chunk]:
    """Yield the rows of a file in chunks; arguments as for `read_blocks`."""
    blocks = read_blocks(path, rows_per_chunk, column, input_format, part)
    return (block.parse() for block in blocks)


def read_blocks(
    path: Path,
    rows_per_chunk: int,
    column: str | None,
    input_format: str,
    part: range | None = None,
    by_place: bool = False,
) -> Iterator[Block]:
    """Yield the rows of a file in blocks of `rows_per_chunk`, the last one shorter.

    Args:
        path: the file.
        rows_per_chunk: rows in a block.
        column: name of the text column, None to find it.
        input_format: ``fasta`` reads records, anything else rows.
        part: rows to read, which are then numbered from 0; it begins with a block. None is all.
        by_place: let blocks say where their lines are instead of holding them, where that is
            possible: for those who can read the file themselves.

    Raises:
        InputError: empty file or no such column.
    """
    check_input(path)
    layout = file_kind(path, input_format)
    held = layout.gzipped or not by_place
    blocks = _all_blocks(path, layout, column, rows_per_chunk, None if held else path.absolute())
    if part is None:
        return blocks
    first, end = part.start // rows_per_chunk, -(-part.stop // rows_per_chunk)
    chosen = islice(blocks, first, end)
    return (replace(block, first_row=block.first_row - part.start) for block in chosen)


def count_rows(path: Path, column: str | None, input_format: str) -> int:
    """Return the number of rows of a file; arguments as for `read_blocks`."""
    return sum(len(block) for block in read_blocks(path, 1 << 14, column, input_format))


def _all_blocks(
    path: Path, layout: FileKind, column: str | None, rows: int, place: Path | None
) -> Iterator[Block]:
    if layout.kind == "parquet":
        return parquet_chunks(path, rows, column)
    lines = Lines(path, layout.gzipped)
    if layout.kind == "fasta":
        return _chunks(fasta_rows(decoded(lines)), ["sequence", "name"], 0, rows)
    if layout.kind in ("smi", "txt"):
        return _plain_blocks(lines, path, column, rows, place)
    delimiter = "\t" if layout.kind == "tsv" else ","
    return _csv_blocks(lines, path, column, rows, delimiter, place)


def _csv_blocks(
    lines: Lines, path: Path, column: str | None, rows: int, delimiter: str, place: Path | None
) -> Iterator[Block]:
    first = lines.peek()
    if delimiter == "," and b"," not in first and b";" in first:
        delimiter = ";"  # as spreadsheets write it where the comma is the decimal sign
    header, problem = next(csv_rows(decoded(lines), delimiter), ([], None))
    if not header or problem:
        raise InputError(f"{path} has no header line; expected column names in the first row")
    names = [name.strip() for name in header]
    if column is None:
        check_header(names, path)
    text_at = text_column(names, column, path)
    return _line_blocks(lines, column_names(names, text_at), text_at, rows, delimiter, place)


def _plain_blocks(
    lines: Lines, path: Path, column: str | None, rows: int, place: Path | None
) -> Iterator[Block]:
    """One text a line; behind white space a name. A header line is recognised by its first word."""
    words = lines.peek().decode("utf-8", "surrogateescape").split()
    has_header = bool(words) and words[0].lower() in TEXT_COLUMNS
    names = [words[0], "name"] if has_header else ["smiles", "name"]
    if column is not None and column not in names:
        raise InputError(f"{path} has no column {column!r}; a plain list has none but its text")
    if has_header:
        lines.take(1)
    return _line_blocks(lines, column_names(names, 0), 0, rows, None, place)


def _line_blocks(
    lines: Lines,
    names: list[str],
    text_at: int,
    rows: int,
    delimiter: str | None,
    place: Path | None,
) -> Iterator[Block]:
    """Cut lines into blocks; where there are quotes, a row may be many lines and is read here."""
    first_row = 0
    while lines.peek():
        start = lines.position
        joined, taken = lines.take(rows)
        if delimiter and b'"' in joined:
            quoted = decoded(chain(io.BytesIO(joined), lines))
            found = list(islice(csv_rows(quoted, delimiter), rows))
            yield chunk_of(found, names, text_at, first_row)
            taken = len(found)
        else:
            here = joined if place is None else FileSpan(place, start, len(joined))
            yield LineBlock(first_row, here, taken, tuple(names), text_at, delimiter)
        first_row += taken


def _chunks(
    rows: Iterator[Row], names: list[str], text_at: int, rows_per_chunk: int
) -> Iterator[Chunk]:
    first_row = 0
    while batch := list(islice(rows, rows_per_chunk)):
        yield chunk_of(batch, names, text_at, first_row)
        first_row += len(batch)


def spool(source: BinaryIO, path: Path) -> None:
    """Copy standard input to a file, so that a build can be resumed and its input named."""
    with path.open("wb") as file:
        while block := source.read(1 << 20):
            file.write(block)
