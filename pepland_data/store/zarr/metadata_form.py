"""What the metadata of a Zarr store may say: the shapes, chunks and codecs of docs/format.md.

The zarr package would follow other metadata too: to codecs that need any amount of memory, or to
arrays of more items than any disk has.
"""

from __future__ import annotations

from typing import Any

from pepland_data.files.json_forms import (
    Form,
    MismatchError,
    items,
    one_of,
    pattern,
    record,
    sequence,
    text,
    whole,
)
from pepland_data.store.zarr import layout

WIDEST = 4096
"""Most columns of a table."""
BYTES, ZSTD, CRC = (record({"name": one_of(name)}) for name in ("bytes", "zstd", "crc32c"))
COLUMN = record(
    {
        "attributes": record(
            {
                "name": text,
                "arrow_schema": pattern("([0-9a-f]{2})+", "a schema message in hex"),
                "encoding": one_of("values", "text", "arrow"),
            }
        )
    }
)
"""Group of a pass-through column."""


def _flat() -> Form:
    """Return the form of an array with one dimension, cut into shards of chunks."""
    inside = {
        "chunk_shape": sequence(one_of(layout.CHUNK)),
        "codecs": sequence(BYTES, ZSTD),
        "index_codecs": sequence(BYTES, CRC),
        "index_location": one_of("end"),
    }
    codec = record({"name": one_of("sharding_indexed"), "configuration": record(inside)})
    return _array(sequence(whole()), sequence(one_of(layout.SHARD)), sequence(codec))


def _table() -> Form:
    """Return the form of an array with two dimensions."""
    width = whole(1, WIDEST)
    chunks = sequence(one_of(layout.TABLE_CHUNK), width)
    return _array(sequence(whole(), width), chunks, sequence(BYTES, ZSTD))


def _array(shape: Form, chunks: Form, codecs: Form) -> Form:
    grid = {"name": one_of("regular"), "configuration": record({"chunk_shape": chunks})}
    return record(
        {
            "zarr_format": one_of(3),
            "node_type": one_of("array"),
            "shape": shape,
            "data_type": pattern("bool|u?int(8|16|32|64)|float(32|64)", "a type of numbers"),
            "chunk_grid": record(grid),
            "codecs": codecs,
        }
    )


def check_array(about: Any, objects: int) -> None:
    """Raise ValueError if the metadata of an array does not fit the number of its objects.

    Args:
        about: parsed ``zarr.json``.
        objects: objects that the manifest lists for the array.
    """
    record({"shape": items(whole(), 1)})(about)
    shape = about["shape"]
    (_flat() if len(shape) == 1 else _table())(about)
    chunks = about["chunk_grid"]["configuration"]["chunk_shape"]
    if chunks[1:] != shape[1:]:
        raise MismatchError(chunks[1], f"chunks of {shape[1]} columns")
    if (needed := -(-shape[0] // chunks[0])) != objects:
        raise ValueError(f"{shape[0]} items need {needed} objects, the manifest lists {objects}")
