"""The Arrow files of a store: shards, tables and sizes, written and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pepland_data.errors import StoreDamagedError
from pepland_data.files.atomic import write_atomic
from pepland_data.graph.columns import GROUPS, GraphColumns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.store.arrow_arrays import numbers, texts
from pepland_data.store.manifest import FileEntry, Manifest

LIST_COLUMNS = {"atom": "atoms", "fragment": "fragments", "bond": "bonds", "reaction": "reactions"}
"""Group -> its list column in a shard."""
FIXED_COLUMNS = ("row_id", "smiles", *LIST_COLUMNS.values())
TABLE_FILES = ("tables/atom.arrow", "tables/bond.arrow", "tables/fragment.arrow")
SIZES_FILE = "sizes.arrow"
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
    """Return the record batch of an IPC file, memory-mapped.

    Raises:
        StoreDamagedError: the file cannot be read, or has not exactly one record batch.
    """
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if reader.num_record_batches != 1:
            raise pa.ArrowInvalid(f"{reader.num_record_batches} record batches, expected 1")
        batch = reader.get_batch(0)
        batch.validate(full=True)  # a damaged offset would be followed to a wrong address
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise damaged(path, error) from error
    return batch


def damaged(path: Path, why: object) -> StoreDamagedError:
    """Return the error for a file that is damaged."""
    return StoreDamagedError(
        f"{path} cannot be read ({why}); run `pepland-data verify` on the store, "
        "then copy the file again, or delete it and repeat the build"
    )


def check_size(folder: Path, entry: FileEntry) -> None:
    """Refuse a missing file and one of another size, before anything in it is used."""
    path = folder / entry.file
    try:
        size = path.stat().st_size
    except OSError as error:
        raise damaged(path, error) from error
    if size != entry.bytes:
        raise damaged(path, f"{size} bytes, expected {entry.bytes}")


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
        row_id = view(batch.column("row_id"))
        return ShardData(GraphColumns(**columns), row_id, batch.column("smiles"), extra)
    except (pa.ArrowException, KeyError, AttributeError, ValueError) as error:
        raise damaged(path, error) from error


class ArrowShards:
    """The shards of an Arrow store by number, memory-mapped at first use and kept.

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
            check_size(self.path, entry)
            data = read_arrow_shard(self.path / entry.file)
            if len(data.columns) != entry.rows:
                why = f"{len(data.columns)} rows, expected {entry.rows}"
                raise damaged(self.path / entry.file, why)
            self._mapped[s] = data
        return self._mapped[s]

    def columns(self, s: int) -> GraphColumns:
        """Return the graphs of shard s."""
        return self.shard(s).columns

    def row_id(self, s: int) -> npt.NDArray[np.int64]:
        """Return the input rows of shard s. [rows] int64."""
        return self.shard(s).row_id

    def smiles(self, s: int) -> Any:
        """Return the texts of shard s as an Arrow array."""
        return self.shard(s).smiles

    def extra(self, s: int, name: str) -> Any:
        """Return a pass-through column of shard s as an Arrow array."""
        return self.shard(s).extra[name]

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
    except (pa.ArrowException, KeyError, AttributeError, ValueError) as error:
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
    except (pa.ArrowException, KeyError) as error:
        raise damaged(path, error) from error
