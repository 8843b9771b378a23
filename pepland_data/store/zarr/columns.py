"""Pass-through columns as plain arrays: numbers unchanged, text as bytes and lengths.

All bytes of the buffers of an Arrow array are kept, also those of missing values, so decoding gives
the same bytes. Columns of other types are kept as Arrow IPC messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Parts = dict[str, npt.NDArray[Any]]

NUMBERS = {
    str(t): t
    for t in (
        pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
        pa.uint64(), pa.float32(), pa.float64(), pa.bool_(),
    )
}  # fmt: skip
TEXTS = {str(t): t for t in (pa.string(), pa.large_string())}


def encoding_of(kind: Any) -> str:
    """Return ``values`` for numbers, ``text`` for strings, ``arrow`` for all other types."""
    return "values" if str(kind) in NUMBERS else "text" if str(kind) in TEXTS else "arrow"


def column_folder(name: str) -> str:
    """Return the Zarr group of a column: its name, other characters than A-Z a-z 0-9 - _ as %XX.

    A leading ``_`` is written as %5F. Zarr allows no "/" in the name of a group, and neither "__"
    nor "." at its beginning.
    """
    escaped = quote(name, safe="").replace(".", "%2E").replace("~", "%7E")
    return "columns/" + ("%5F" + escaped[1:] if escaped.startswith("_") else escaped)


def encode_column(array: Any) -> Parts:
    """Return the buffers of an Arrow array as numpy arrays.

    Returns:
        ``values`` [N], or ``length`` [N] uint32 and ``bytes`` [sum] uint8, or only ``bytes``; also
        ``valid`` [N] bool if a value is missing.
    """
    if array.offset:
        array = pa.concat_arrays([array, array[:0]])
    encoding, count = encoding_of(array.type), len(array)
    if encoding == "arrow":
        return {"bytes": np.frombuffer(_message(array), np.uint8)}
    valid = {"valid": np.asarray(array.is_valid())} if array.null_count else {}
    if encoding == "values":
        return {"values": _values(array, count), **valid}
    offsets = _offsets(array, count)
    data = array.buffers()[2]
    text = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    length = np.diff(offsets).astype(np.uint32)
    return {"length": length, "bytes": text[offsets[0] : offsets[-1]], **valid}


def decode_column(kind: Any, count: int, parts: Mapping[str, npt.NDArray[Any]]) -> Any:
    """Return the Arrow array that `encode_column` encoded."""
    encoding = encoding_of(kind)
    if encoding == "arrow":
        return pa.ipc.open_stream(pa.py_buffer(parts["bytes"])).read_next_batch().column(0)
    valid = parts.get("valid")
    mask = None if valid is None or valid.all() else _bits(valid)
    if encoding == "values":
        values = parts["values"]
        data = _bits(values) if values.dtype == bool else _buffer(values)
        return pa.Array.from_buffers(kind, count, [mask, data])
    wide = np.int64 if kind == pa.large_string() else np.int32
    offsets = np.zeros(count + 1, wide)
    np.cumsum(parts["length"], out=offsets[1:])
    return pa.Array.from_buffers(kind, count, [mask, _buffer(offsets), _buffer(parts["bytes"])])


def type_message(kind: Any) -> str:
    """Return an Arrow type as a schema message in hex; `message_type` reads it."""
    return str(pa.schema([pa.field("x", kind)]).serialize().to_pybytes().hex())


def message_type(text: str) -> Any:
    """Return the Arrow type of a schema message in hex."""
    return pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(text))).field(0).type


def _message(array: Any) -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"x": array})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _values(array: Any, count: int) -> npt.NDArray[Any]:
    data = array.buffers()[1]
    if pa.types.is_boolean(array.type):
        bits = np.frombuffer(data or b"", np.uint8)
        return np.unpackbits(bits, count=count, bitorder="little").astype(bool)
    dtype = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(data or b"", dtype, count)


def _offsets(array: Any, count: int) -> npt.NDArray[Any]:
    dtype = np.int64 if array.type == pa.large_string() else np.int32
    return np.frombuffer(array.buffers()[1], dtype, count + 1)


def _bits(flags: npt.NDArray[Any]) -> Any:
    return _buffer(np.packbits(flags, bitorder="little"))


def _buffer(array: npt.NDArray[Any]) -> Any:
    return pa.py_buffer(np.ascontiguousarray(array))
