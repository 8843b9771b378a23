"""Write vectors to Parquet, NumPy's npz or Zarr v3.

An output file is complete or does not exist. All formats keep the order of the input rows. A row
without a vector is null (Parquet), or NaN with ``valid`` false (npz, Zarr); ``reason`` says why.
"""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from pepland_data.errors import InputError, MissingDependencyError
from pepland_data.files.atomic import sync_folder
from pepland_model.embed.rows import EmbeddedRows

ZARR_ROWS = 4096
"""Rows per chunk."""


def writer_for(path: Path, width: int, level: str, about: dict[str, Any]) -> Writer:
    """Return the writer for the ending of a file name.

    Args:
        path: ends with ``.parquet``, ``.npz`` or ``.zarr``.
        width: numbers per vector.
        level: ``peptide``, ``atom`` or ``fragment``.
        about: JSON values that describe the origin of the vectors; written to the file.

    Raises:
        InputError: the ending is unknown, the folder is missing, or another kind of file exists.
        MissingDependencyError: the zarr package is not installed.
    """
    kinds: dict[str, type[Writer]] = {
        ".parquet": ParquetWriter, ".npz": NpzWriter, ".zarr": ZarrWriter
    }  # fmt: skip
    if path.suffix not in kinds:
        raise InputError(f"{path} must end with .parquet, .npz or .zarr")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}; create it first")
    if path.exists() and path.is_dir() != (path.suffix == ".zarr"):
        raise InputError(f"{path} exists and is not a {path.suffix} output; choose another name")
    if path.is_dir() and not (path / "zarr.json").is_file():
        raise InputError(f"{path} is a folder but no Zarr group; choose another name")
    return kinds[path.suffix](path, width, level, about)


class Writer(ABC):
    """Appends parts; the file appears when the context ends without an error."""

    def __init__(self, path: Path, width: int, level: str, about: dict[str, Any]) -> None:
        self.path, self.width, self.level, self.about = path, width, level, about
        self.temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")

    def __enter__(self) -> Self:
        self._remove()
        self._open()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        try:
            if error is None:
                self._close()
                self._publish()
            else:
                with suppress(Exception):  # report the first error
                    self._close()
        finally:
            self._remove()

    def _publish(self) -> None:
        for file in [f for f in self.temporary.rglob("*") if f.is_file()] or [self.temporary]:
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        old = self.path.with_name(f".old-{os.getpid()}-{self.path.name}")
        if self.path.is_dir():  # a folder cannot be replaced by one rename
            os.replace(self.path, old)
        os.replace(self.temporary, self.path)
        sync_folder(self.path.parent)
        shutil.rmtree(old, ignore_errors=True)

    def _remove(self) -> None:
        if self.temporary.is_dir():
            shutil.rmtree(self.temporary, ignore_errors=True)
        else:
            self.temporary.unlink(missing_ok=True)

    @abstractmethod
    def write(self, part: EmbeddedRows) -> None:
        """Append the rows of a part."""

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


class ParquetWriter(Writer):
    """Columns ``row_id``, ``text``, ``embedding`` and ``reason``, one row group per part."""

    def _open(self) -> None:
        import pyarrow.parquet as pq

        vector = pa.list_(pa.float32(), self.width)
        self._vector = vector if self.level == "peptide" else pa.large_list(vector)
        fields = [("row_id", pa.int64()), ("text", pa.large_string()),
                  ("embedding", self._vector), ("reason", pa.string())]  # fmt: skip
        self._schema = pa.schema(fields, {"pepland": json.dumps(self.about)})
        self._file = pq.ParquetWriter(self.temporary, self._schema, compression="zstd")

    def write(self, part: EmbeddedRows) -> None:
        """Append a row group."""
        texts = [text.encode("utf-8", "replace").decode() for text in part.texts]
        columns = [
            pa.array(part.row_id), pa.array(texts, pa.large_string()),
            self._vectors(part), pa.array(part.embeddings.reasons, pa.string()),
        ]  # fmt: skip
        self._file.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def _vectors(self, part: EmbeddedRows) -> Any:
        embeddings = part.embeddings
        missing = pa.array(~embeddings.valid)
        flat = pa.array(np.ascontiguousarray(embeddings.vectors).reshape(-1))
        if self.level == "peptide":
            return pa.FixedSizeListArray.from_arrays(flat, self.width, mask=missing)
        nodes = pa.FixedSizeListArray.from_arrays(flat, self.width)
        return pa.LargeListArray.from_arrays(pa.array(embeddings.ptr), nodes, mask=missing)

    def _close(self) -> None:
        self._file.close()


class NpzWriter(Writer):
    """Arrays ``embedding``, ``row_id``, ``valid``, ``reason``, ``about``; and ``ptr`` for nodes.

    ``dimensions`` has the names of the numbers of a vector, where `about` has them.

    All vectors stay in memory until the end; use Parquet or Zarr for millions of peptides.
    """

    def _open(self) -> None:
        self._parts: list[EmbeddedRows] = []

    def write(self, part: EmbeddedRows) -> None:
        """Keep a part."""
        self._parts.append(part)

    def _close(self) -> None:
        blank = np.zeros((0, self.width), np.float32)
        reasons = [reason or "" for part in self._parts for reason in part.embeddings.reasons]
        sizes = [np.diff(part.embeddings.ptr) for part in self._parts]
        arrays = {
            "embedding": np.concatenate([blank, *(p.embeddings.vectors for p in self._parts)]),
            "row_id": np.concatenate([np.zeros(0, np.int64), *(p.row_id for p in self._parts)]),
            "valid": np.array([not reason for reason in reasons], bool),
            "reason": np.array(reasons, np.str_),
            "about": np.array(json.dumps(self.about)),
        }
        if "dimensions" in self.about:
            arrays["dimensions"] = np.array(self.about["dimensions"], np.str_)
        if self.level != "peptide":
            arrays["ptr"] = np.cumsum(np.concatenate([np.zeros(1, np.int64), *sizes]))
        with self.temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


class ZarrWriter(Writer):
    """The arrays of npz in a Zarr v3 group; ``reason`` is a number in ``reasons``, or -1."""

    def _open(self) -> None:
        try:
            import zarr
        except ImportError as error:
            raise MissingDependencyError(
                "writing .zarr needs the zarr package: pip install pepland-data[zarr]"
            ) from error
        self._group = zarr.open_group(self.temporary, mode="w", zarr_format=3)
        shapes: dict[str, tuple[tuple[int, ...], str]] = {
            "embedding": ((self.width,), "float32"),
            "row_id": ((), "int64"), "valid": ((), "bool"), "reason": ((), "int32"),
        }  # fmt: skip
        if self.level != "peptide":
            shapes["ptr"] = ((), "int64")
        self._arrays = {
            name: self._group.create_array(
                name, shape=(0, *rest), chunks=(ZARR_ROWS, *rest), dtype=dtype
            )
            for name, (rest, dtype) in shapes.items()
        }
        if "ptr" in self._arrays:
            self._arrays["ptr"].append(np.zeros(1, np.int64))
        self._reasons: dict[str, int] = {}

    def write(self, part: EmbeddedRows) -> None:
        """Append to every array."""
        numbers = [
            -1 if reason is None else self._reasons.setdefault(reason, len(self._reasons))
            for reason in part.embeddings.reasons
        ]
        arrays, embeddings = self._arrays, part.embeddings
        if "ptr" in arrays:
            arrays["ptr"].append(embeddings.ptr[1:] + arrays["embedding"].shape[0])
        arrays["embedding"].append(embeddings.vectors)
        arrays["row_id"].append(part.row_id)
        arrays["valid"].append(embeddings.valid)
        arrays["reason"].append(np.array(numbers, np.int32))

    def _close(self) -> None:
        self._group.attrs.update({"reasons": list(self._reasons), **self.about})
