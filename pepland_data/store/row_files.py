"""The files with one row per reject or note: ``rejects.parquet`` and ``notes.parquet``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pepland_data.store.manifest import Manifest
from pepland_data.store.manifest_form import NOTES, REJECTS
from pepland_data.store.store_files import damaged

TEXTS = {REJECTS: ("text", "stage", "reason"), NOTES: ("kind", "text", "note")}
"""File -> its columns besides ``row_id``."""


def read_rows(folder: Path, manifest: Manifest, file: str) -> Any:
    """Return the Arrow table in a file of rows, ``row_id`` as int64 and texts.

    Raises:
        StoreDamagedError: the file cannot be read, or has missing values, other columns, or another
            number of rows than in the manifest.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / file
    try:
        table = pq.read_table(pa.memory_map(os.fsencode(path)))
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, error) from error
    kinds = {"row_id": {pa.int64()}, **{n: {pa.string(), pa.large_string()} for n in TEXTS[file]}}
    found = dict(zip(table.schema.names, table.schema.types, strict=True))
    wrong = [name for name, allowed in kinds.items() if found.get(name) not in allowed]
    if wrong or any(table[name].null_count for name in kinds):
        raise damaged(path, f"expected row_id and texts in {', '.join(TEXTS[file])}")
    rows = sum(entry.rows for entry in manifest.files if entry.file == file)
    if len(table) != rows:
        raise damaged(path, f"{len(table)} rows, expected {rows}")
    return table
