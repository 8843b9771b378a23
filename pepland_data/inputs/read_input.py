"""Read an input file in blocks of rows; memory does not grow with the length of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from pepland_data.errors import InputError
from pepland_data.inputs.chunk import Chunk
from pepland_data.inputs.fasta import fasta_chunks
from pepland_data.inputs.file_kind import READABLE, FileKind, file_kind
from pepland_data.inputs.line_block import Block, csv_blocks, plain_blocks
from pepland_data.inputs.sdf import check_column, sdf_chunks
from pepland_data.inputs.text_lines import Lines
from pepland_data.inputs.typed_tables import TYPED_KINDS, typed_chunks


def check_input(path: Path) -> None:
    """Refuse an input that does not exist, is a folder, a pipe or a device, or is empty."""
    if not path.exists():
        raise InputError(f"there is no input file {path}; check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected a file: {READABLE}")
    if not path.is_file():
        raise InputError(
            f"{path} is a pipe, socket or device, but an input is read more than once; write it to "
            "a file, or name it - and pipe the rows into the command"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; expected one peptide per row")


def file_state(path: Path) -> tuple[int, int]:
    """Return size and modification time, which show whether a file was changed."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


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
    rows_per_block: int,
    column: str | None,
    input_format: str,
    part: range | None = None,
    by_place: bool = False,
    keep_index: bool = True,
) -> Iterator[Block]:
    """Yield the rows of a file in blocks of `rows_per_block`, the last one shorter.

    Args:
        path: the file.
        rows_per_block: rows per block.
        column: name of the text column, None to find it.
        input_format: ``fasta`` reads any text file as FASTA.
        part: rows to read, numbered from 0 in the result; it starts at a multiple of
            `rows_per_block`. None reads all rows.
        by_place: let blocks hold the position of their lines instead of the lines, where that is
            possible; for workers that can read the file.
        keep_index: keep the index column of a data frame; False leaves it out with a warning.

    Raises:
        InputError: the file is empty, of a kind that is not read, or lacks the column.
    """
    check_input(path)
    kind = file_kind(path, input_format)
    if kind.name == "sdf":
        check_column(path, column, input_format)
    blocks = _all_blocks(path, rows_per_block, column, kind, by_place, keep_index)
    if part is None:
        return blocks
    first, end = part.start // rows_per_block, -(-part.stop // rows_per_block)
    chosen = islice(blocks, first, end)
    return (replace(block, first_row=block.first_row - part.start) for block in chosen)


def _all_blocks(
    path: Path, rows: int, column: str | None, kind: FileKind, by_place: bool, keep_index: bool
) -> Iterator[Block]:
    if kind.name in TYPED_KINDS:
        return typed_chunks(path, kind, rows, column, keep_index)
    if kind.name == "sdf":
        return sdf_chunks(partial(Lines, path, kind), rows)
    lines = Lines(path, kind)
    if kind.name == "fasta":
        return fasta_chunks(lines, rows)
    place = path.absolute() if by_place and not kind.packed else None
    if kind.name == "plain":
        return plain_blocks(lines, column, rows, place, keep_index)
    return csv_blocks(lines, column, rows, "\t" if kind.name == "tsv" else ",", place, keep_index)


def count_rows(path: Path, column: str | None, input_format: str) -> int:
    """Return the number of rows of a file; arguments as for `read_blocks`."""
    return sum(len(block) for block in read_blocks(path, 1 << 14, column, input_format))


@contextmanager
def standard_input_at(path: Path) -> Iterator[None]:
    """Let errors about a copy of standard input call it so.

    Raises:
        InputError: as inside, with another name for `path`.
    """
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), "standard input")) from error


def spool(source: BinaryIO, path: Path) -> None:
    """Copy standard input to a file, so that a build can be resumed."""
    with path.open("wb") as file:
        while block := source.read(1 << 20):
            file.write(block)
