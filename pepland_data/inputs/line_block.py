"""CSV, TSV and plain lists as blocks of lines, which workers parse into chunks."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from pepland_data.errors import InputError
from pepland_data.inputs.chunk import REPLACED, Chunk, Row, chunk_of
from pepland_data.inputs.header import (
    TEXT_COLUMNS,
    check_header,
    column_names,
    delimiter_of,
    index_columns,
    text_column,
)
from pepland_data.inputs.plain_list import COMMENT, check_list, plain_rows
from pepland_data.inputs.text_lines import Lines, clean, decoded

MAX_FIELD = 16 * 2**20
"""Most characters of one CSV field, so that an unclosed quote does not read the whole file."""


@dataclass(frozen=True)
class FileSpan:
    """Consecutive bytes of a file."""

    path: Path
    start: int
    """Position of the first byte."""
    size: int
    """Number of bytes."""

    def read(self) -> bytes:
        """Return the bytes; fewer if the file has become shorter."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


@dataclass(frozen=True)
class LineBlock:
    """Consecutive lines of one row each, not parsed yet."""

    first_row: int
    """Number of the first row."""
    lines: bytes | FileSpan
    """The lines with their line ends, or where they are in the file."""
    rows: int
    """Number of rows."""
    names: tuple[str, ...]
    """Column names."""
    text_at: int
    """Index of the text column."""
    delimiter: str | None
    """Between two fields; None if a line is a text and a name."""

    def __len__(self) -> int:
        return self.rows

    def parse(self) -> Chunk:
        """Return the rows.

        Raises:
            InputError: the file has changed since the block was made.
        """
        return self._chunk(list(self._rows()))

    def first_texts(self, count: int) -> list[str]:
        """Return the texts of the first rows, at most so many; InputError as for `parse`."""
        return self._chunk(list(islice(self._rows(), count))).texts

    def _chunk(self, rows: list[Row]) -> Chunk:
        return chunk_of(rows, list(self.names), self.text_at, self.first_row)

    def _rows(self) -> Iterator[Row]:
        data = self.lines if isinstance(self.lines, bytes) else self._read(self.lines)
        lines = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="\n")
        return _csv_rows(lines, self.delimiter) if self.delimiter else plain_rows(lines)

    def _read(self, span: FileSpan) -> bytes:
        data = span.read()
        found = data.count(b"\n") + (not data.endswith(b"\n"))
        if len(data) != span.size or found != self.rows:
            raise changed(span.path)
        return data


Block = Chunk | LineBlock
"""Rows that are parsed, or lines that are not; ``parse()`` of both returns the chunk."""


def changed(path: Path) -> InputError:
    """Return the error for a file that was changed during the build."""
    return InputError(f"{path} changed while it was read; repeat the build when it is complete")


def csv_blocks(
    lines: Lines, column: str | None, rows: int, delimiter: str, place: Path | None,
    keep_index: bool,
) -> Iterator[Block]:  # fmt: skip
    """Yield the rows of a CSV or TSV file in blocks.

    Args:
        lines: of the file, header included.
        column: name of the text column, None to find it.
        rows: rows per block.
        delimiter: between two fields, if the header has it.
        place: path of the file, for blocks that hold a `FileSpan`; None for blocks that hold lines.
        keep_index: keep the index column of a data frame.
    """
    first = lines.peek()  # spreadsheets write ';' where the comma is the decimal sign
    delimiter = next((d for d in (delimiter, *",;\t") if d.encode() in first), delimiter)
    header, problem = next(_csv_rows(decoded(lines), delimiter), ([], None))
    if not header or problem:
        raise InputError(f"{lines.path} has no header line; expected column names in the first row")
    names = [name.strip() for name in header]
    if any(clean(name) != name for name in names):
        warnings.warn(f"{lines.path}: a column name is not UTF-8: {REPLACED}", stacklevel=2)
    if column is None:
        check_header(names, lines.path)
    text_at = text_column(names, column, lines.path)
    if len(names) == 1 and names[0].lower() not in (*TEXT_COLUMNS, column):
        check_list(lines.path, lines.head())
    left_out = set() if keep_index else index_columns(names, text_at, lines.path)
    names = column_names(names, text_at, left_out)
    return _line_blocks(lines, names, text_at, rows, delimiter, place)


def plain_blocks(
    lines: Lines, column: str | None, rows: int, place: Path | None, keep_index: bool
) -> Iterator[Block]:
    """Yield the lines of a list of texts in blocks; arguments as for `csv_blocks`.

    A line is a text and, after white space, a name. A header is recognized by its first word; if it
    names several columns, the file is read as a table. Comments may stand before it.
    """
    while lines.peek().startswith(COMMENT):
        lines.take(1)
    first = lines.peek().decode("utf-8", "surrogateescape")
    if delimiter := delimiter_of(first):
        return csv_blocks(lines, column, rows, delimiter, place, keep_index)
    words = first.split()
    has_header = bool(words) and words[0].lower() in TEXT_COLUMNS
    names = [words[0], "name"] if has_header else ["smiles", "name"]
    if column is not None and column not in names:
        raise InputError(
            f"{lines.path} has no column {column!r}; a plain list has only its text and a name"
        )
    if has_header:
        lines.take(1)
    if not has_header or len(words) > 2:
        check_list(lines.path, lines.head())
    return _line_blocks(lines, column_names(names, 0), 0, rows, None, place)


def _line_blocks(
    lines: Lines,
    names: list[str],
    text_at: int,
    rows: int,
    delimiter: str | None,
    place: Path | None,
) -> Iterator[Block]:
    """Yield lines in blocks; where there are quotes, a row may be many lines and is parsed here."""
    first_row = 0
    while lines.peek():
        start = lines.position
        joined, taken = lines.take(rows)
        if delimiter and b'"' in joined:
            quoted = decoded(chain(io.BytesIO(joined), lines))
            found = list(islice(_csv_rows(quoted, delimiter), rows))
            yield chunk_of(found, names, text_at, first_row)
            taken = len(found)
        else:
            here = joined if place is None else FileSpan(place, start, len(joined))
            yield LineBlock(first_row, here, taken, tuple(names), text_at, delimiter)
        first_row += taken


def _csv_rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    """Yield the rows of CSV lines; a quoted field may span many lines."""
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield [], f"unreadable row: {error}"
            continue
        yield row, None
