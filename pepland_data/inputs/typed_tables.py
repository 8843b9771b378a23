"""Rows of files whose columns have types: Parquet, Arrow and Feather, Arrow streams, JSON Lines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from pepland_data.errors import InputError
from pepland_data.files.packed import UNPACKING_ERRORS
from pepland_data.inputs.chunk import Chunk
from pepland_data.inputs.file_kind import FileKind
from pepland_data.inputs.header import (
    column_names,
    holds_sequences,
    index_columns,
    text_column,
)
from pepland_data.inputs.json_lines import NO_OBJECT, json_batches
from pepland_data.inputs.text_lines import Lines, unprintable

Batch = tuple[pa.RecordBatch, set[int]]
"""Rows, and the positions of those that could not be read."""
TYPED_KINDS = {"parquet": "Parquet", "arrow": "Arrow", "jsonl": "JSON Lines"}


def typed_chunks(
    path: Path, kind: FileKind, rows_per_chunk: int, column: str | None, keep_index: bool
) -> Iterator[Chunk]:
    """Yield the rows of a file in chunks.

    Args:
        path: the file.
        kind: of `TYPED_KINDS`.
        rows_per_chunk: rows in a chunk.
        column: name of the text column, None to find it.
        keep_index: keep the index column of a data frame.

    Raises:
        InputError: the file is damaged or of another kind, or lacks the column.
    """
    try:
        schema, batches = _opened(path, kind, rows_per_chunk)
    except InputError:
        raise
    except (*UNPACKING_ERRORS, ValueError) as error:
        name = TYPED_KINDS[kind.name]
        why = str(error).partition(". ")[0]
        raise InputError(f"{path} is not a readable {name} file: {why}") from error
    header = list(schema.names)
    text_at = text_column(header, column, path)
    left_out = set() if keep_index else index_columns(header, text_at, path)
    names = column_names(header, text_at, left_out)
    return _rows(_refused(path, batches), names, text_at)


def _opened(path: Path, kind: FileKind, rows: int) -> tuple[pa.Schema, Iterator[Batch]]:
    """Return the columns of a file, and its rows in batches of `rows`, the last one shorter."""
    if kind.name == "jsonl":
        return json_batches(partial(Lines, path, kind), rows)
    schema, batches = _opened_columns(path, kind, rows)
    return schema, ((batch, set()) for batch in _cut(batches, rows))


def _opened_columns(
    path: Path, kind: FileKind, rows: int
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the columns of a file, and its rows in batches of any size."""
    if kind.name == "parquet":
        import pyarrow.parquet as pq

        file = pq.ParquetFile(pa.memory_map(os.fsencode(path)))
        return file.schema_arrow, file.iter_batches(batch_size=rows)
    source = pa.memory_map(os.fsencode(path))
    if source.read(6) == b"ARROW1":
        table = pa.ipc.open_file(source)
        return table.schema, (table.get_batch(i) for i in range(table.num_record_batches))
    source.seek(0)
    stream = pa.ipc.open_stream(source)
    return stream.schema, iter(stream)


def _refused(path: Path, batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches; InputError where the file is damaged on the way, or holds no UTF-8."""
    try:
        for batch, bad in batches:
            batch.validate(full=True)
            yield batch, bad
    except (*UNPACKING_ERRORS, ValueError) as error:
        raise InputError(f"{path} cannot be read to its end: {error}") from error


def _cut(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of `rows`, the last one shorter."""
    left: list[pa.RecordBatch] = []
    for batch in batches:
        left.append(batch)
        while sum(map(len, left)) >= rows:
            joined = pa.Table.from_batches(left).combine_chunks().to_batches()[0]
            yield joined.slice(0, rows)
            left = [joined.slice(rows)]
    if sum(map(len, left)):
        yield pa.Table.from_batches(left).combine_chunks().to_batches()[0]


def _rows(batches: Iterator[Batch], names: list[str], text_at: int) -> Iterator[Chunk]:
    first_row = 0
    for batch, bad in batches:
        texts, problems = _texts(batch.column(text_at).to_pylist())
        problems |= dict.fromkeys(sorted(bad), NO_OBJECT)
        extra = {n: batch.column(i) for i, n in enumerate(names) if n and i != text_at}
        yield Chunk(first_row, texts, problems, extra, holds_sequences(names[text_at]))
        first_row += len(batch)


def _texts(values: list[Any]) -> tuple[list[str], dict[int, str]]:
    """Return texts, and why some cannot be read; old writers store text as plain bytes."""
    texts, problems = [], {}
    for place, value in enumerate(values):
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        text = "" if value is None else str(value)
        problem = "no text" if value is None else None
        if not text.isprintable():
            text, problem = unprintable(text)
        if problem is not None:
            problems[place] = problem
        texts.append(text)
    return texts, problems
