"""Rows of a Parquet file as chunks; the columns keep their types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pepland_data.errors import InputError
from pepland_data.inputs.chunk import Chunk
from pepland_data.inputs.header import column_names, holds_sequences, text_column
from pepland_data.inputs.text_lines import unprintable


def parquet_chunks(path: Path, rows_per_chunk: int, column: str | None) -> Iterator[Chunk]:
    """Yield the rows of a file in chunks; InputError if it is not Parquet or lacks the column."""
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
    """Return texts, and why some cannot be read; old programs store text as plain bytes."""
    texts, problems = [], {}
    for position, value in enumerate(values):
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        text = "" if value is None else str(value)
        problem = "no text" if value is None else None
        if not text.isprintable():
            text, problem = unprintable(text)
        if problem is not None:
            problems[position] = problem
        texts.append(text)
    return texts, problems
