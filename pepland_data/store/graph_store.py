"""A finished store, read-only. Arrow files are memory-mapped, Zarr files are decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from pepland_data.files.atomic import file_sha256
from pepland_data.files.remote import RemoteFolder, is_remote, local_path
from pepland_data.graph.columns import GraphColumns, concat, empty_columns, pointers
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.graph.heterograph import HeteroGraph
from pepland_data.html_parts import shown_by
from pepland_data.store.arrow_shards import ArrowShards, ShardData
from pepland_data.store.manifest import Manifest, manifest_data, parse_manifest
from pepland_data.store.manifest_form import REJECTS
from pepland_data.store.row_files import read_rows
from pepland_data.store.shard_checks import shard_problem, sizes_problem, table_problem
from pepland_data.store.store_files import check_file, damaged

if TYPE_CHECKING:
    from pepland_data.store.mirror import Mirror
    from pepland_data.store.zarr.read import ZarrShards


Address = tuple[str, str | Path | None, str]
"""Path or URL, cache folder and identity of a store, for opening it in another process."""


def open_store(path: str | Path, cache: str | Path | None = None) -> GraphStore:
    """Open a finished store; shards are mapped, decoded or fetched at first use.

    Args:
        path: folder or URL. All shards of a remote Arrow store are copied to the cache when one is
            needed. The objects of a remote Zarr store are read without a local copy.
        cache: folder for remote stores; None for the variable PEPLAND_CACHE, or the user's cache.

    Raises:
        StoreNotFoundError: there is no store, or only an unfinished build.
        StoreVersionError: this release does not read the format.
        StoreDamagedError: manifest, tables or sizes are damaged.
        RemoteError: a remote store cannot be read, or the disk has too little free space.
    """
    if not is_remote(path):
        return GraphStore(local_path(path))
    from pepland_data.store.mirror import Mirror

    mirror = Mirror(RemoteFolder(str(path)), cache)
    return GraphStore(mirror.folder, mirror)


@lru_cache(maxsize=1)
def reopened(location: str, cache: str | Path | None, identity: str) -> GraphStore:
    """Return a store; a worker process opens it once for many tasks. `identity` is a cache key."""
    return open_store(location, cache)


class GraphStore:
    """Graphs by row number, with their texts and pass-through columns.

    Examples:
        >>> store = open_store("data/")  # doctest: +SKIP
        >>> store[0].num_atoms, store.columns["affinity"][0]  # doctest: +SKIP
    """

    def __init__(self, path: Path, mirror: Mirror | None = None) -> None:
        self.path, self.mirror = path, mirror
        data = manifest_data(path)
        self.manifest: Manifest = parse_manifest(data, path)
        self.identity = sha256(data).hexdigest()
        """SHA-256 of the manifest, which contains the checksums of all files; hex."""
        if mirror is not None:
            mirror.ensure(self.manifest.files, check_contents=True)
        for entry in self.manifest.files:
            check_file(path, entry)
            if file_sha256(path / entry.file) != entry.sha256:
                raise damaged(path / entry.file, "its checksum does not match")
        self._shards = _shards(path, self.manifest, mirror)
        self.tables: FeatureTables = self._shards.tables()
        self.shard_ptr: npt.NDArray[np.int64] = pointers(self._shards.rows)
        counts = self.manifest.counts
        problem = table_problem(self.tables) or sizes_problem(self.sizes, len(self), counts)
        if problem:
            raise damaged(path, problem)
        self._checked: set[int] = set()

    def __len__(self) -> int:
        return int(self.shard_ptr[-1])

    _repr_html_ = shown_by("pepland_data.notebook", "store_html")

    def __reduce__(self) -> tuple[Any, ...]:
        return open_store, self.address[:2]

    @property
    def location(self) -> str:
        """Path or URL of the store; `path` is the folder on this machine."""
        return self.mirror.remote.url if self.mirror else str(self.path)

    @property
    def address(self) -> Address:
        """What `reopened` needs to open this store in another process."""
        return self.location, self.mirror.cache if self.mirror else None, self.identity

    @property
    def num_atoms(self) -> npt.NDArray[np.integer[Any]]:
        """Atoms per graph. [G] uint32, from the sizes file alone."""
        return self._shards.sizes["num_atoms"]

    @property
    def num_fragments(self) -> npt.NDArray[np.integer[Any]]:
        """Fragments per graph. [G] uint32."""
        return self._shards.sizes["num_fragments"]

    @property
    def num_bonds(self) -> npt.NDArray[np.integer[Any]]:
        """Bonds per graph, each counted once. [G] uint32."""
        return self._shards.sizes["num_bonds"]

    @property
    def num_reactions(self) -> npt.NDArray[np.integer[Any]]:
        """Cut bonds per graph, each counted once. [G] uint32."""
        return self._shards.sizes["num_reactions"]

    @property
    def sizes(self) -> Mapping[str, npt.NDArray[np.integer[Any]]]:
        """``num_atoms``, ``num_fragments``, ``num_bonds`` and ``num_reactions``, each [G]."""
        return self._shards.sizes

    @property
    def num_shards(self) -> int:
        """Number of shards."""
        return len(self.shard_ptr) - 1

    def column_types(self) -> Mapping[str, Any]:
        """Return the Arrow type of each pass-through column; empty for a store without graphs."""
        return self._shards.column_types

    def shard(self, s: int) -> ShardData:
        """Return all data of shard s: views of its mapped file, or decoded arrays."""
        self._check(s)
        return self._shards.shard(s)

    def shard_columns(self, s: int) -> GraphColumns:
        """Return the graphs of shard s: views of its mapped file, or decoded arrays."""
        self._check(s)
        return self._shards.columns(s)

    def shard_array(self, s: int, name: str) -> Any:
        """Return ``smiles`` or a pass-through column of shard s as an Arrow array."""
        return self._shards.array(s, name)

    def shard_name(self, s: int) -> str:
        """Return the path or name of shard s for messages."""
        return str(self.path / self._shards.shard_name(s))

    def _check(self, s: int) -> None:
        """Check the contents of a shard when it is used for the first time."""
        if s not in self._checked:
            columns = self._shards.columns(s)
            rows = slice(int(self.shard_ptr[s]), int(self.shard_ptr[s + 1]))
            sizes = {name: values[rows] for name, values in self.sizes.items()}
            problem = shard_problem(columns, self.tables, self.manifest.dtypes, sizes)
            if problem:
                raise damaged(self.path / self._shards.shard_name(s), problem)
            self._checked.add(s)

    def locate(self, row: int) -> tuple[int, int]:
        """Return shard and position of a row; a negative row counts from the end."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row}; the store has {len(self)} graphs")
        row %= len(self)
        s = int(np.searchsorted(self.shard_ptr, row, side="right")) - 1
        return s, row - int(self.shard_ptr[s])

    def __getitem__(self, row: int) -> HeteroGraph:
        s, place = self.locate(int(row))
        columns = self.shard_columns(s).slice(place, place + 1)
        return HeteroGraph(self.shard_array(s, "smiles")[place].as_py(), self.tables, columns)

    def __iter__(self) -> Iterator[HeteroGraph]:
        return (self[row] for row in range(len(self)))

    def gather(self, rows: npt.ArrayLike) -> GraphColumns:
        """Return the chosen graphs in the given order.

        Args:
            rows: [K] int, 0 <= row < len(store).
        """
        chosen = np.asarray(rows, np.int64)
        if len(chosen) and not (chosen.min() >= 0 and chosen.max() < len(self)):
            raise IndexError(
                f"rows {chosen.min()} to {chosen.max()}; expected 0 to {len(self) - 1}"
            )
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
        """The texts of the graphs, read at first use."""
        return RowSequence(self, "smiles")

    @cached_property
    def row_id(self) -> npt.NDArray[np.int64]:
        """[G] int64, input row of each graph."""
        parts = [self._shards.row_id(s) for s in range(self.num_shards)]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    @cached_property
    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """The pass-through columns as numpy arrays, each [G]; missing numbers are NaN."""
        return _Columns(self)

    @property
    def rejects(self) -> list[dict[str, Any]]:
        """The input rows that became no graph: row_id, text, stage, reason."""
        rows: list[dict[str, Any]] = read_rows(self.path, self.manifest, REJECTS).to_pylist()
        return rows

    @property
    def nbytes(self) -> int:
        """Bytes of all files of the store."""
        return sum(entry.bytes for entry in self.manifest.entries())


def _shards(path: Path, manifest: Manifest, mirror: Mirror | None) -> ArrowShards | ZarrShards:
    """Return the reader of the shards; zarr is imported for a Zarr store only."""
    if manifest.kind == "arrow":
        return ArrowShards(path, manifest, mirror.ensure if mirror else None)
    from pepland_data.store.zarr.read import ZarrShards

    return ZarrShards(path, manifest, mirror.read if mirror else None)


class RowSequence(Sequence[Any]):
    """The texts or one pass-through column as a read-only sequence over all shards."""

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
        return self._store.shard_array(s, self._name)[place].as_py()

    def __iter__(self) -> Iterator[Any]:
        for s in range(self._store.num_shards):
            yield from self._store.shard_array(s, self._name).to_pylist()


class _Columns(Mapping[str, npt.NDArray[Any]]):
    def __init__(self, store: GraphStore) -> None:
        self._store = store
        self._read: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._store.manifest.columns:
            raise KeyError(name)
        if name not in self._read:
            shards = range(self._store.num_shards)
            parts = [self._store.shard_array(s, name) for s in shards]
            arrays = [part.to_numpy(zero_copy_only=False) for part in parts]
            self._read[name] = np.concatenate(arrays) if arrays else np.zeros(0)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.manifest.columns)

    def __len__(self) -> int:
        return len(self._store.manifest.columns)
