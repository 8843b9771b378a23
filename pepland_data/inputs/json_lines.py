"""JSON Lines as batches of rows with one set of typed columns, whichever rows have them.

pyarrow takes columns and types of a file from its first megabyte. So the file is read twice: first
to find columns and types that fit all rows, then to read the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from pepland_data.errors import InputError
from pepland_data.inputs.text_lines import Lines

LINES_AT_ONCE = 8192
NO_OBJECT = "the line is no JSON object in UTF-8"
NO_ROW = b"{}\n"


def json_batches(
    open_lines: Callable[[], Lines], rows: int
) -> tuple[pa.Schema, Iterator[tuple[pa.RecordBatch, set[int]]]]:
    """Return the columns of a file, and its rows in batches.

    Args:
        open_lines: opens the file at its beginning.
        rows: rows of a batch; the last one may be shorter. Empty lines are no rows.

    Returns:
        The columns in the order in which rows have them; batches, each with the positions of the
        lines that are no JSON objects, whose values are null.

    Raises:
        InputError: a column holds values of two kinds, such as numbers and texts.
    """
    schema, lines = pa.schema([]), open_lines()
    for some in _blocks(lines, LINES_AT_ONCE):
        schema = _joined(schema, _schema(some), lines)
    return schema, (_read(some, schema) for some in _blocks(open_lines(), rows))


def _blocks(lines: Lines, rows: int) -> Iterator[list[bytes]]:
    full = (line if line.endswith(b"\n") else line + b"\n" for line in lines if line.strip())
    while some := list(islice(full, rows)):
        yield some


def _schema(lines: Sequence[bytes]) -> list[pa.Schema]:
    """Return the columns of some lines; of each line, if pyarrow cannot read them together."""
    try:
        return [_parsed(lines).schema]
    except pa.ArrowInvalid:
        return [_parsed([line]).schema for line in lines if _is_object(line)]


def _joined(schema: pa.Schema, found: list[pa.Schema], lines: Lines) -> pa.Schema:
    try:
        return pa.unify_schemas([schema, *found], promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        pass
    try:  # a text that looks like a time is one only if all texts of its column do
        plain = [_without_times(one) for one in (schema, *found)]
        return pa.unify_schemas(plain, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        why = " ".join(str(error).split()).partition(": ")[2] or error
        raise InputError(
            f"{lines.path} has a column with values of two kinds ({why}); write all of them as text"
        ) from error


def _without_times(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        pa.field(f.name, pa.string() if pa.types.is_timestamp(f.type) else f.type) for f in schema
    )


def _read(lines: list[bytes], schema: pa.Schema) -> tuple[pa.RecordBatch, set[int]]:
    """Return lines as one batch, and the positions of those that are no JSON objects."""
    try:
        return _parsed(lines, schema), set()
    except pa.ArrowInvalid:
        bad = {i for i, line in enumerate(lines) if not _is_object(line)}
        return _parsed([NO_ROW if i in bad else s for i, s in enumerate(lines)], schema), bad


def _check_utf8(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid(str(error)) from None


def _is_object(line: bytes) -> bool:
    try:
        return len(_parsed([line])) == 1
    except pa.ArrowInvalid:
        return False


def _parsed(lines: Sequence[bytes], schema: Any = None) -> pa.RecordBatch:
    """Return lines as a batch; pa.ArrowInvalid if one is no JSON object, or kinds are mixed."""
    from pyarrow import json

    data = b"".join(lines)
    _check_utf8(data)
    table = json.read_json(
        pa.BufferReader(data),
        json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        json.ParseOptions(explicit_schema=schema),
    )
    if len(table) != len(lines):
        raise pa.ArrowInvalid(f"{len(table)} objects in {len(lines)} lines")
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
