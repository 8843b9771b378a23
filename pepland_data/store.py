"""A finished store, memory-mapped and read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from pepland_data.arrow_format import (
    SIZES_FILE,
    ShardData,
    damaged,
    read_arrow_shard,
    read_sizes,
    read_tables,
)
from pepland_data.atomic import file_sha256
from pepland_data.columns import GROUPS, GraphColumns, concat, empty_columns
from pepland_data.graph import HeteroGraph
from pepland_data.manifest import FileEntry, Manifest, read_manifest
from pepland_data.tables import FeatureTables


def open_store(path: str | Path) -> GraphStore:
    """Open a finished store; shards are mapped when first asked for.

    Raises:
        StoreNotFoundError: nothing there, or an unfinished build.
        StoreVersionError: a format this release does not read.
        StoreDamagedError: manifest, tables or sizes are not what was written.
    """
    return GraphStore(Path(path))


class GraphStore:
    """Graphs by row number, their texts, and the columns that came with them.

    Example:
        >>> store = open_store("data/")  # doctest: +SKIP
        >>> store[0].num_atoms, store.columns["affinity"][0]  # doctest: +SKIP
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest: Manifest = read_manifest(path)
        for entry in self.manifest.files:
            _check_size(path, entry)
            if file_sha256(path / entry.file) != entry.sha256:
                raise damaged(path / entry.file, "its checksum does not fit")
        self.tables: FeatureTables = read_tables(path)
        self._sizes = read_sizes(path / SIZES_FILE)
        rows = [entry.rows for entry in self.manifest.shards]
        self.shard_ptr: npt.NDArray[np.int64] = np.cumsum([0, *rows], dtype=np.int64)
        if len(self.num_atoms) != len(self):
            raise damaged(path / SIZES_FILE, f"{len(self.num_atoms)} rows, expected {len(self)}")
        self._shards: dict[int, ShardData] = {}

    def __len__(self) -> int:
        return int(self.shard_ptr[-1])

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    @property
    def num_atoms(self) -> npt.NDArray[np.integer[Any]]:
        """Atoms per graph. [G] uint32, from the sizes file alone."""
        return self._sizes["num_atoms"]

    @property
    def num_fragments(self) -> npt.NDArray[np.integer[Any]]:
        """Fragments per graph. [G] uint32."""
        return self._sizes["num_fragments"]

    @property
    def num_bonds(self) -> npt.NDArray[np.integer[Any]]:
        """Bonds per graph, each counted once. [G] uint32."""
        return self._sizes["num_bonds"]

    @property
    def num_reactions(self) -> npt.NDArray[np.integer[Any]]:
        """Cut bonds per graph, each counted once. [G] uint32."""
        return self._sizes["num_reactions"]

    def shard(self, s: int) -> ShardData:
        """Return shard s as views of its mapped file."""
        if s not in self._shards:
            entry = self.manifest.shards[s]
            _check_size(self.path, entry)
            data = read_arrow_shard(self.path / entry.file)
            if len(data.columns) != entry.rows:
                raise damaged(self.path / entry.file, f"{len(data.columns)} rows")
            if problem := problem_in(data.columns, self.tables):
                raise damaged(self.path / entry.file, problem)
            self._shards[s] = data
        return self._shards[s]

    def shard_columns(self, s: int) -> GraphColumns:
        """Return the graphs of shard s as views of its mapped file."""
        return self.shard(s).columns

    def locate(self, row: int) -> tuple[int, int]:
        """Return shard and place of a row; negative rows count from the end, IndexError beyond."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of a store of {len(self)} graphs")
        row %= len(self)
        s = int(np.searchsorted(self.shard_ptr, row, side="right")) - 1
        return s, row - int(self.shard_ptr[s])

    def __getitem__(self, row: int) -> HeteroGraph:
        s, place = self.locate(int(row))
        data = self.shard(s)
        return HeteroGraph(
            data.smiles[place].as_py(), self.tables, data.columns.slice(place, place + 1)
        )

    def __iter__(self) -> Iterator[HeteroGraph]:
        return (self[row] for row in range(len(self)))

    def gather(self, rows: npt.ArrayLike) -> GraphColumns:
        """Return the named graphs in the named order: the plain path of the loader.

        Args:
            rows: [K] int, 0 <= row < len(store).
        """
        chosen = np.asarray(rows, np.int64)
        if len(chosen) and not (chosen.min() >= 0 and chosen.max() < len(self)):
            raise IndexError(f"rows outside 0..{len(self) - 1}")
        shard_of = np.searchsorted(self.shard_ptr, chosen, side="right") - 1
        order = np.argsort(shard_of, kind="stable")
        parts = [
            self.shard_columns(int(s)).take(chosen[order][shard_of[order] == s] - self.shard_ptr[s])
            for s in np.unique(shard_of)
        ]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return concat(parts).take(back) if parts else empty_columns()

    @cached_property
    def smiles(self) -> RowSequence:
        """The input texts, row aligned, read when asked for."""
        return RowSequence(self, "smiles")

    @cached_property
    def row_id(self) -> npt.NDArray[np.int64]:
        """[G] int64, input row of each graph."""
        parts = [self.shard(s).row_id for s in range(len(self.manifest.shards))]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    @cached_property
    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """The pass-through columns as numpy arrays, row aligned; missing numbers are NaN."""
        return _Columns(self)

    @property
    def rejects(self) -> list[dict[str, Any]]:
        """The input rows without a graph: row_id, text, stage, reason."""
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = pq.read_table(self.path / "rejects.parquet").to_pylist()
        return rows

    @property
    def nbytes(self) -> int:
        """Bytes of all files of the store."""
        return sum(entry.bytes for entry in self.manifest.entries())


def problem_in(columns: GraphColumns, tables: FeatureTables) -> str | None:
    """Return what would make codes or indices point outside, None where all is well.

    Looked at once a shard, before anything in it is used as an address.
    """
    for group, names in GROUPS.items():
        ptr = getattr(columns, f"{group}_ptr")
        if ptr[0] != 0 or ptr[-1] != len(getattr(columns, names[0])) or (np.diff(ptr) < 0).any():
            return f"the offsets of its {group}s do not fit"
    tops = {
        "atom_code": len(tables.atom_x),
        "fragment_code": len(tables.fragment_x),
        "bond_code": len(tables.bond_x),
        "reaction_code": len(tables.bond_x),
    }
    for name, top in tops.items():
        if getattr(columns, name).max(initial=0) >= top:
            return f"{name} points outside its table of {top} rows"
    atoms, fragments = columns.sizes("atom"), columns.sizes("fragment")
    homes = (("atom_fragment", fragments), ("bond_begin", atoms), ("bond_end", atoms),
             ("reaction_begin", fragments), ("reaction_end", fragments))  # fmt: skip
    for name, limit in homes:
        group = next(g for g, names in GROUPS.items() if name in names)
        if (getattr(columns, name) >= np.repeat(limit, columns.sizes(group))).any():
            return f"{name} points outside its graph"
    return None


def _check_size(folder: Path, entry: FileEntry) -> None:
    path = folder / entry.file
    try:
        size = path.stat().st_size
    except OSError as error:
        raise damaged(path, error) from error
    if size != entry.bytes:
        raise damaged(path, f"{size} bytes, expected {entry.bytes}")


class RowSequence(Sequence[Any]):
    """One text or pass-through column as a read-only sequence over all shards."""

    def __init__(self, store: GraphStore, name: str) -> None:
        self._store, self._name = store, name

    def __len__(self) -> int:
        return len(self._store)

    @overload
    def __getitem__(self, row: int) -> Any: ...
    @overload
    def __getitem__(self, row: slice) -> list[Any]: ...
    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        s, place = self._store.locate(int(row))
        return self._shard_array(s)[place].as_py()

    def __iter__(self) -> Iterator[Any]:
        for s in range(len(self._store.manifest.shards)):
            yield from self._shard_array(s).to_pylist()

    def _shard_array(self, s: int) -> Any:
        data = self._store.shard(s)
        return data.smiles if self._name == "smiles" else data.extra[self._name]


class _Columns(Mapping[str, npt.NDArray[Any]]):
    def __init__(self, store: GraphStore) -> None:
        self._store = store
        self._read: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._store.manifest.columns:
            raise KeyError(name)
        if name not in self._read:
            shards = range(len(self._store.manifest.shards))
            parts = [self._store.shard(s).extra[name] for s in shards]
            arrays = [part.to_numpy(zero_copy_only=False) for part in parts]
            self._read[name] = np.concatenate(arrays) if arrays else np.zeros(0)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.manifest.columns)

    def __len__(self) -> int:
        return len(self._store.manifest.columns)
