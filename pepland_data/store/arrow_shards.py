"""The Arrow files of a store: shards, tables and sizes, written and read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pepland_data.files.atomic import write_atomic
from pepland_data.graph.columns import GROUPS, GraphColumns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.store.arrow_arrays import numbers, texts
from pepland_data.store.manifest import FileEntry, Manifest
from pepland_data.store.manifest_form import FIXED_COLUMNS as FIXED_COLUMNS
from pepland_data.store.manifest_form import SIZES_FILE as SIZES_FILE
from pepland_data.store.manifest_form import TABLE_FILES as TABLE_FILES
from pepland_data.store.store_files import check_file, damaged

LIST_COLUMNS = {"atom": "atoms", "fragment": "fragments", "bond": "bonds", "reaction": "reactions"}
"""Group -> its list column in a shard."""
UNREADABLE = (
    pa.ArrowException, LookupError, AttributeError, TypeError, ValueError, NotImplementedError
)  # fmt: skip
"""What pyarrow and `view` raise for arrays of other types than expected."""
IPC_OPTIONS = pa.ipc.IpcWriteOptions(compression=None)


@dataclass(frozen=True, eq=False)
class ShardData:
    """One shard in memory, the same for both formats."""

    columns: GraphColumns
    """G graphs."""
    row_id: npt.NDArray[np.int64]
    """[G] int64, input row of each graph."""
    smiles: Any
    """[G] pyarrow large_string array, text of each graph."""
    extra: Mapping[str, Any]
    """Pass-through columns by name, each a pyarrow array [G]."""


def large_texts(array: Any) -> Any:
    """Return an Arrow array of texts as ``large_string``."""
    return array if array.type == pa.large_string() else array.cast(pa.large_string())


def narrowest(largest: int) -> str:
    """Return the name of the narrowest unsigned dtype that holds 0 to `largest`."""
    return str(np.min_scalar_type(largest))


def shard_batch(data: ShardData, dtypes: Mapping[str, str]) -> Any:
    """Return a shard as one Arrow record batch; `dtypes` has one per code and index column."""
    arrays: dict[str, Any] = {
        "row_id": numbers(np.asarray(data.row_id, np.int64)),
        "smiles": large_texts(data.smiles),
    }
    for group, column in LIST_COLUMNS.items():
        names = GROUPS[group]
        flat = [numbers(getattr(data.columns, n).astype(dtypes[n], copy=False)) for n in names]
        fields = [pa.field(n, a.type, nullable=False) for n, a in zip(names, flat, strict=True)]
        ptr = np.ascontiguousarray(getattr(data.columns, f"{group}_ptr"), np.int64)
        struct = pa.StructArray.from_arrays(flat, fields=fields)
        arrays[column] = pa.LargeListArray.from_arrays(numbers(ptr), struct)
    return pa.record_batch({**arrays, **data.extra})


def write_batch(path: Path, batch: Any) -> None:
    """Write one record batch as an Arrow IPC file, atomically."""

    def write(file: Any) -> None:
        with pa.ipc.new_file(file, batch.schema, options=IPC_OPTIONS) as writer:
            writer.write_batch(batch)

    write_atomic(path, write)


def write_arrow_shard(path: Path, data: ShardData, dtypes: Mapping[str, str]) -> None:
    """Write a shard: one row per graph, list columns of codes, uncompressed, 64-byte aligned."""
    write_batch(path, shard_batch(data, dtypes))


def view(array: Any) -> npt.NDArray[Any]:
    """Return a view of an array of numbers; ValueError if it has nulls.

    ``array.to_numpy()`` does the same but imports pandas if installed, which takes 0.3 s.
    """
    if array.null_count:
        raise ValueError(f"{array.null_count} values are missing")
    dtype, data = array.type.to_pandas_dtype(), array.buffers()[1]
    if not len(array):
        return np.zeros(0, dtype)
    return np.frombuffer(data, dtype)[array.offset : array.offset + len(array)]


def map_batch(path: Path) -> Any:
    """Return the only record batch of an IPC file, memory-mapped; else StoreDamagedError."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(os.fsencode(path)))
        if reader.num_record_batches != 1:
            raise pa.ArrowInvalid(f"{reader.num_record_batches} record batches, expected 1")
        batch = reader.get_batch(0)
        batch.validate(full=True)  # a damaged offset would be followed to a wrong address
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise damaged(path, error) from error
    return batch


def read_arrow_shard(path: Path) -> ShardData:
    """Return a shard; its arrays are views of the memory-mapped file."""
    batch = map_batch(path)
    try:
        columns: dict[str, Any] = {}
        for group, column in LIST_COLUMNS.items():
            lists = batch.column(column)
            columns[f"{group}_ptr"] = view(lists.offsets)
            for name in GROUPS[group]:
                columns[name] = view(lists.values.field(name))
        extra = {n: batch.column(n) for n in batch.schema.names if n not in FIXED_COLUMNS}
        row_id, smiles = view(batch.column("row_id")), batch.column("smiles")
        if row_id.dtype != np.int64 or smiles.null_count:
            raise ValueError("row_id is not int64, or a text is missing")
        if smiles.type not in (pa.string(), pa.large_string()):
            raise ValueError(f"smiles is {smiles.type}, expected large_string")
        if len(set(batch.schema.names)) < batch.num_columns:
            raise ValueError("two columns have the same name")
        return ShardData(GraphColumns(**columns), row_id, smiles, extra)
    except UNREADABLE as error:
        raise damaged(path, error) from error


class ArrowShards:
    """The shards of an Arrow store by number, memory-mapped at first use and kept.

    `GraphStore` reads the other format through the same methods of `ZarrShards`.

    Args:
        path: folder of the store.
        manifest: of the store.
        ensure: fetches files into the folder; called once for all shards, before one is mapped.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        ensure: Callable[[Sequence[FileEntry]], None] | None = None,
    ) -> None:
        self.path, self.manifest, self._ensure = path, manifest, ensure
        self.sizes = read_sizes(path / SIZES_FILE)
        self.rows = [entry.rows for entry in manifest.shards]
        self._mapped: dict[int, ShardData] = {}
        self._types: dict[str, Any] | None = None

    def tables(self) -> FeatureTables:
        """Return the tables of the store."""
        return read_tables(self.path)

    def shard_name(self, s: int) -> str:
        """Return the name of shard s for messages."""
        return self.manifest.shards[s].file

    def shard(self, s: int) -> ShardData:
        """Return all data of shard s as views of its mapped file."""
        if self._ensure is not None:
            self._ensure(self.manifest.shards)
            self._ensure = None
        if s not in self._mapped:
            entry = self.manifest.shards[s]
            check_file(self.path, entry)
            data = read_arrow_shard(self.path / entry.file)
            if problem := self._problem(data, entry):
                raise damaged(self.path / entry.file, problem)
            self._mapped[s] = data
        return self._mapped[s]

    def _problem(self, data: ShardData, entry: FileEntry) -> str | None:
        """Return what in a shard differs from the manifest or from the other shards."""
        if len(data.columns) != entry.rows:
            return f"{len(data.columns)} rows, expected {entry.rows}"
        if tuple(data.extra) != self.manifest.columns:
            return f"its columns are {list(data.extra)}, expected {list(self.manifest.columns)}"
        types = {name: array.type for name, array in data.extra.items()}
        self._types = self._types or types
        if types != self._types:
            return "its columns have other types than those of another shard"
        return None

    def columns(self, s: int) -> GraphColumns:
        """Return the graphs of shard s."""
        return self.shard(s).columns

    def row_id(self, s: int) -> npt.NDArray[np.int64]:
        """Return the input rows of shard s. [rows] int64."""
        return self.shard(s).row_id

    def array(self, s: int, name: str) -> Any:
        """Return ``smiles`` or a pass-through column of shard s as an Arrow array."""
        shard = self.shard(s)
        return shard.smiles if name == "smiles" else shard.extra[name]

    @property
    def column_types(self) -> Mapping[str, Any]:
        """The Arrow type of each pass-through column; empty for a store without graphs."""
        extra = self.shard(0).extra if self.rows else {}
        return {name: array.type for name, array in extra.items()}


def table_batches(tables: FeatureTables) -> dict[str, Any]:
    """Return the three tables as record batches, by file name."""
    smiles = texts(tables.fragment_smiles)
    batches = (
        pa.record_batch({"label": _rows(tables.atom_label), "x": _rows(tables.atom_x)}),
        pa.record_batch({"x": _rows(tables.bond_x)}),
        pa.record_batch({"smiles": smiles, "x": _rows(tables.fragment_x)}),
    )
    return dict(zip(TABLE_FILES, batches, strict=True))


def write_tables(folder: Path, tables: FeatureTables) -> None:
    """Write the three tables to ``folder/tables``."""
    for name, batch in table_batches(tables).items():
        write_batch(folder / name, batch)


def read_tables(folder: Path) -> FeatureTables:
    """Return the tables in ``folder/tables``, copied into memory."""
    atom, bond, fragment = (map_batch(folder / name) for name in TABLE_FILES)
    try:
        return FeatureTables(
            atom_x=_matrix(atom.column("x")),
            atom_label=_matrix(atom.column("label")),
            bond_x=_matrix(bond.column("x")),
            fragment_x=_matrix(fragment.column("x")),
            fragment_smiles=tuple(fragment.column("smiles").to_pylist()),
        )
    except UNREADABLE as error:
        raise damaged(folder / "tables", error) from error


def _rows(matrix: npt.NDArray[Any]) -> Any:
    flat = numbers(np.ascontiguousarray(matrix).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def _matrix(lists: Any) -> npt.NDArray[Any]:
    if lists.null_count:
        raise ValueError(f"{lists.null_count} values are missing")
    width = lists.type.list_size
    flat = lists.values.slice(lists.offset * width, len(lists) * width)
    matrix: npt.NDArray[Any] = view(flat)
    return matrix.reshape(-1, width).copy()


def write_sizes(path: Path, sizes: Mapping[str, npt.NDArray[np.integer[Any]]]) -> None:
    """Write the numbers of atoms, fragments, bonds and reactions per graph as uint32 columns."""
    arrays = {name: numbers(values.astype(np.uint32, copy=False)) for name, values in sizes.items()}
    write_batch(path, pa.record_batch(arrays))


def read_sizes(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the size columns as views of the mapped file."""
    batch = map_batch(path)
    try:
        return {f"num_{g}s": view(batch.column(f"num_{g}s")) for g in GROUPS}
    except UNREADABLE as error:
        raise damaged(path, error) from error
