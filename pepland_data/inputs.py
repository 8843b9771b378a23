"""Input files as chunks of rows, streamed: memory does not depend on their length."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from pepland_data.arrow_format import FIXED_COLUMNS
from pepland_data.errors import InputError
from pepland_data.kinds import AMINO_ACIDS, helm_of, kind_of
from pepland_data.lines import Lines

TEXT_COLUMNS = ("smiles", "sequence", "peptide", "helm", "seq")
"""Column names taken for the text where none is given, in this order, in any case."""
SEQUENCE_COLUMNS = ("seq", "peptide")
"""Column names that, like all that speak of a sequence, promise sequences."""
MAX_FIELD = 16 * 2**20
"""Characters of one CSV field; a quote that is never closed must not eat the file."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive input rows."""

    first_row: int
    """Number of the first row, from 0, header not counted."""
    texts: list[str]
    """[N] texts; '' where the row cannot be read."""
    problems: dict[int, str]
    """Place in the chunk -> why the row cannot be read."""
    extra: dict[str, Any]
    """Pass-through columns: lists of str or None, or pyarrow arrays where the input is typed."""
    sequences: bool = False
    """Whether the input calls its texts sequences: FASTA, or by the name of their column."""

    def __len__(self) -> int:
        return len(self.texts)

    def meant(self, input_format: str) -> dict[int, str]:
        """Return by place the texts that the column makes sequences, as HELM.

        With ``auto`` a text such as ``CNC`` is a SMILES; here it is three residues. In HELM it says
        so itself, wherever it goes.
        """
        if not self.sequences or input_format != "auto":
            return {}
        return {
            place: helm_of(text)
            for place, text in enumerate(self.texts)
            if kind_of(text, input_format) == "either"
        }

    def parse(self) -> Chunk:
        """Return itself: it is read already."""
        return self


@dataclass(frozen=True)
class Layout:
    """How an input is read."""

    kind: str
    """``csv``, ``tsv``, ``smi``, ``txt``, ``fasta`` or ``parquet``."""
    gzipped: bool


SUFFIXES = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".smi": "smi", ".smiles": "smi", ".txt": "txt",
    ".fasta": "fasta", ".fa": "fasta", ".faa": "fasta", ".parquet": "parquet", ".pq": "parquet",
    ".helm": "txt",
}  # fmt: skip


def layout_of(path: Path, input_format: str = "smiles") -> Layout:
    """Return how to read a file, from its name and, for gzip, its first bytes."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".gzip"):
        suffixes.pop()
    kind = SUFFIXES.get(suffixes[-1], "txt") if suffixes else "txt"
    if kind != "parquet" and input_format == "fasta":
        kind = "fasta"
    with path.open("rb") as file:
        head = file.read(2)
    return Layout(kind, head == b"\x1f\x8b")


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
class Piece:
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
    lines: bytes | Piece
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
        rows = _csv_rows(lines, self.delimiter) if self.delimiter else _plain_rows(lines)
        return _chunk(list(rows), list(self.names), self.text_at, self.first_row)

    def _read(self, piece: Piece) -> bytes:
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
    layout = layout_of(path, input_format)
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
    path: Path, layout: Layout, column: str | None, rows: int, place: Path | None
) -> Iterator[Block]:
    if layout.kind == "parquet":
        return _parquet_chunks(path, rows, column)
    lines = Lines(path, layout.gzipped)
    if layout.kind == "fasta":
        return _chunks(_fasta_rows(_decoded(lines)), ["sequence", "name"], 0, rows)
    if layout.kind in ("smi", "txt"):
        return _plain_blocks(lines, path, column, rows, place)
    delimiter = "\t" if layout.kind == "tsv" else ","
    return _csv_blocks(lines, path, column, rows, delimiter, place)


Row = tuple[list[str], str | None]


def _csv_blocks(
    lines: Lines, path: Path, column: str | None, rows: int, delimiter: str, place: Path | None
) -> Iterator[Block]:
    first = lines.peek()
    if delimiter == "," and b"," not in first and b";" in first:
        delimiter = ";"  # as spreadsheets write it where the comma is the decimal sign
    header, problem = next(_csv_rows(_decoded(lines), delimiter), ([], None))
    if not header or problem:
        raise InputError(f"{path} has no header line; expected column names in the first row")
    names = [name.strip() for name in header]
    if column is None:
        _check_header(names, path)
    text_at = text_column(names, column, path)
    return _line_blocks(lines, column_names(names, text_at), text_at, rows, delimiter, place)


def _check_header(names: list[str], path: Path) -> None:
    """Refuse a first line that holds a peptide where names belong: its row would be lost."""
    known = {word for name in names for word in (name.lower(), name.lower().removesuffix("s"))}
    if known & set(TEXT_COLUMNS):
        return
    for name in names:
        if _is_molecule(name) or (len(names) == 1 and AMINO_ACIDS.issuperset(name)):
            raise InputError(
                f"the first line of {path} holds the peptide {name[:60]!r} where column names are "
                "expected; add a header line, or say --smiles-column if that is the name"
            )


def _is_molecule(text: str) -> bool:
    from rdkit import Chem

    from pepland_data.rdkit_log import RdkitMessages

    with RdkitMessages():
        return bool(text) and bool(Chem.MolFromSmiles(text) or Chem.MolFromHELM(text))


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
            quoted = _decoded(chain(io.BytesIO(joined), lines))
            found = list(islice(_csv_rows(quoted, delimiter), rows))
            yield _chunk(found, names, text_at, first_row)
            taken = len(found)
        else:
            here = joined if place is None else Piece(place, start, len(joined))
            yield LineBlock(first_row, here, taken, tuple(names), text_at, delimiter)
        first_row += taken


def column_names(header: list[str], text_at: int) -> list[str]:
    """Return a name of its own for each column that is passed through.

    One that another column has, or that a shard has for itself, gets a number; one that is empty,
    as of the index of a data frame, becomes ``column_1`` by its place.
    """
    taken, found = set(FIXED_COLUMNS), list[str]()
    for place, name in enumerate(header):
        wanted = clean(name) or f"column_{place + 1}"
        tries = chain([wanted], (f"{wanted}_{number}" for number in count(2)))
        found.append(name if place == text_at else next(t for t in tries if t not in taken))
        if place != text_at:
            taken.add(found[-1])
    return found


def text_column(header: list[str], column: str | None, path: Path) -> int:
    """Return where the text is: the named column, a usual name, or the only column."""
    if column is not None:
        if column not in header:
            raise InputError(f"{path} has no column {column!r}; it has {', '.join(header)}")
        return header.index(column)
    lower = [name.lower() for name in header]
    for name in TEXT_COLUMNS:
        if name in lower:
            return lower.index(name)
    if len(header) == 1:
        return 0
    raise InputError(
        f"{path} has no column named smiles or sequence; name one with --smiles-column: "
        f"{', '.join(header)}"
    )


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    return (line.decode("utf-8", "surrogateescape") for line in lines)


def _csv_rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
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


def _plain_rows(lines: Iterable[str]) -> Iterator[Row]:
    return ((_text_and_name(line), None) for line in lines)


def _text_and_name(line: str) -> list[str]:
    parts = line.strip("\r\n").strip(" \t").split(None, 1)
    return [*parts, "", ""][:2] if parts else ["", ""]


def _fasta_rows(lines: Iterator[str]) -> Iterator[Row]:
    name: str | None = None
    parts: list[str] = []
    for line in lines:
        text = line.strip()
        if text.startswith(">"):
            if name is not None or parts:
                yield _fasta_record(name, parts)
            name, parts = text[1:].strip(), []
        elif text:
            parts.append("".join(text.split()))
    if name is not None or parts:
        yield _fasta_record(name, parts)


def _fasta_record(name: str | None, parts: list[str]) -> Row:
    """Return a record's sequence, without the sign for the end of a translation, and its name."""
    return ["".join(parts).removesuffix("*"), name or ""], None


def _chunks(
    rows: Iterator[Row], names: list[str], text_at: int, rows_per_chunk: int
) -> Iterator[Chunk]:
    first_row = 0
    while batch := list(islice(rows, rows_per_chunk)):
        yield _chunk(batch, names, text_at, first_row)
        first_row += len(batch)


def _chunk(batch: list[Row], names: list[str], text_at: int, first_row: int) -> Chunk:
    texts: list[str] = []
    problems: dict[int, str] = {}
    width = len(names)
    extra: dict[str, list[str | None]] = {n: [] for i, n in enumerate(names) if i != text_at}
    for place, (row, problem) in enumerate(batch):
        text = row[text_at].strip(" \t") if text_at < len(row) else ""
        if problem is None and len(row) > width:
            problem = f"{len(row)} fields, expected {width}"
        if problem is None and not text.isprintable():
            text, problem = _unprintable(text)
        if problem is not None:
            problems[place] = problem
        texts.append(text)
        for i, name in enumerate(names):
            if i != text_at:
                value = row[i] if i < len(row) else ""
                extra[name].append(clean(value) or None)
    return Chunk(first_row, texts, problems, extra, holds_sequences(names[text_at]))


def holds_sequences(column: str) -> bool:
    """Return whether a column's name promises sequences."""
    name = column.lower()
    return "sequence" in name or name in SEQUENCE_COLUMNS


def clean(text: str) -> str:
    """Return the text with bytes that are not UTF-8 replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _unprintable(text: str) -> tuple[str, str | None]:
    stripped = text.strip()
    if stripped.isprintable():
        return stripped, None
    try:
        stripped.encode("utf-8")
    except UnicodeEncodeError:
        return clean(stripped), "not UTF-8"
    return stripped, "control characters in the text"


def _parquet_chunks(path: Path, rows_per_chunk: int, column: str | None) -> Iterator[Chunk]:
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file: {error}") from error
    header = list(file.schema_arrow.names)
    text_at = text_column(header, column, path)
    return _parquet_rows(file, column_names(header, text_at), text_at, rows_per_chunk)


def _parquet_rows(
    file: Any, names: list[str], text_at: int, rows_per_chunk: int
) -> Iterator[Chunk]:
    first_row = 0
    for batch in file.iter_batches(batch_size=rows_per_chunk):
        texts, problems = _parquet_texts(batch.column(text_at).to_pylist())
        extra = {n: batch.column(i) for i, n in enumerate(names) if i != text_at}
        yield Chunk(first_row, texts, problems, extra, holds_sequences(names[text_at]))
        first_row += len(batch)


def _parquet_texts(values: list[Any]) -> tuple[list[str], dict[int, str]]:
    """Return texts, and why some cannot be read; old writers store text as plain bytes."""
    texts, problems = [], {}
    for place, value in enumerate(values):
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        text = "" if value is None else str(value)
        problem = "no text" if value is None else None
        if not text.isprintable():
            text, problem = _unprintable(text)
        if problem is not None:
            problems[place] = problem
        texts.append(text)
    return texts, problems


def spool(source: BinaryIO, path: Path) -> None:
    """Copy standard input to a file, so that a build can be resumed and its input named."""
    with path.open("wb") as file:
        while block := source.read(1 << 20):
            file.write(block)
