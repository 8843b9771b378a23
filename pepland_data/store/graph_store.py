"""A finished store, read-only. Arrow files are memory-mapped, Zarr files are decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, reduce
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np
import numpy.typing as npt

from pepland_data.errors import StoreVersionError
from pepland_data.files.atomic import file_sha256
from pepland_data.files.remote import RemoteFolder, is_remote, local_path
from pepland_data.graph.columns import GROUPS, GraphColumns, IntArray, concat, empty_columns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.graph.heterograph import HeteroGraph
from pepland_data.store.arrow_shards import ArrowShards, ShardData, check_size, damaged
from pepland_data.store.manifest import KINDS, Manifest, manifest_bytes, read_manifest

if TYPE_CHECKING:
    from pepland_data.store.mirror import Mirror


Address = tuple[str, str | Path | None, str]
"""Path or URL, cache folder and identity of a store: enough to open it in another process."""


class Shards(Protocol):
    """What a format provides: sizes and tables at once, shards by number."""

    sizes: dict[str, npt.NDArray[Any]]
    """``num_atoms`` and so on, [G]."""
    rows: list[int]
    """Graphs of each shard."""

    def tables(self) -> FeatureTables:
        """Return the tables of the store."""

    def file(self, s: int) -> str:
        """Return what to call shard s in a message."""

    def shard(self, s: int) -> ShardData:
        """Return everything of shard s."""

    def columns(self, s: int) -> GraphColumns:
        """Return the graphs of shard s."""

    def row_id(self, s: int) -> npt.NDArray[np.int64]:
        """Return the input rows of shard s. [rows] int64."""

    def smiles(self, s: int) -> Any:
        """Return the texts of shard s as an Arrow array."""

    def extra(self, s: int, name: str) -> Any:
        """Return a pass-through column of shard s as an Arrow array."""

    @property
    def column_types(self) -> Mapping[str, Any]:
        """The Arrow type of each pass-through column; none for a store without graphs."""


def open_store(path: str | Path, cache: str | Path | None = None) -> GraphStore:
    """Open a finished store; shards are mapped, decoded or fetched when first asked for.

    Args:
        path: folder, ``file://`` or the URL of one. Of a remote Arrow store all shards are copied
            to the cache when one is needed; of a Zarr store, objects are read where they are.
        cache: folder for remote stores; None for the variable PEPLAND_CACHE, or the user's cache.

    Raises:
        StoreNotFoundError: nothing there, or an unfinished build.
        StoreVersionError: a format this release does not read.
        StoreDamagedError: manifest, tables or sizes are not what was written.
        RemoteError: a remote store cannot be read, or there is no room for it.
    """
    if not is_remote(path):
        return GraphStore(local_path(path))
    from pepland_data.store.mirror import Mirror

    mirror = Mirror(RemoteFolder(str(path)), cache)
    return GraphStore(mirror.folder, mirror)


INDEXED = (
    ("atom", "fragment", ("atom_fragment",)),
    ("bond", "atom", ("bond_begin", "bond_end")),
    ("reaction", "fragment", ("reaction_begin", "reaction_end")),
)
"""Group, the group whose rows it names, and the columns that do."""


@lru_cache(maxsize=1)
def reopened(location: str, cache: str | Path | None, identity: str) -> GraphStore:
    """Return a store; a worker process opens it once for many tasks. `identity` is a cache key."""
    return open_store(location, cache)


class GraphStore:
    """Graphs by row number, their texts, and the columns that came with them.

    Example:
        >>> store = open_store("data/")  # doctest: +SKIP
        >>> store[0].num_atoms, store.columns["affinity"][0]  # doctest: +SKIP
    """

    def __init__(self, path: Path, mirror: Mirror | None = None) -> None:
        self.path, self.mirror = path, mirror
        self.manifest: Manifest = read_manifest(path)
        if mirror is not None:
            mirror.ensure(self.manifest.files, look_inside=True)
        for entry in self.manifest.files:
            check_size(path, entry)
            if file_sha256(path / entry.file) != entry.sha256:
                raise damaged(path / entry.file, "its checksum does not fit")
        self._shards = _shards(path, self.manifest, mirror)
        self.tables: FeatureTables = self._shards.tables()
        self.shard_ptr: npt.NDArray[np.int64] = np.cumsum([0, *self._shards.rows], dtype=np.int64)
        if len(self.num_atoms) != len(self):
            raise damaged(path, f"sizes of {len(self.num_atoms)} graphs, expected {len(self)}")
        self._checked: set[int] = set()

    def __len__(self) -> int:
        return int(self.shard_ptr[-1])

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self.location, "cache": self.mirror.cache if self.mirror else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = open_store(state["location"], state["cache"]).__dict__

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
        """How many shards the graphs are in."""
        return len(self.shard_ptr) - 1

    def column_types(self) -> Mapping[str, Any]:
        """Return the Arrow type of each pass-through column; none for a store without graphs."""
        return self._shards.column_types

    def shard(self, s: int) -> ShardData:
        """Return everything of shard s: views of its mapped file, or decoded."""
        self._check(s)
        return self._shards.shard(s)

    def shard_columns(self, s: int) -> GraphColumns:
        """Return the graphs of shard s as views of its mapped file, or decoded."""
        self._check(s)
        return self._shards.columns(s)

    def shard_array(self, s: int, name: str) -> Any:
        """Return ``smiles`` or a pass-through column of shard s as an Arrow array."""
        return self._shards.smiles(s) if name == "smiles" else self._shards.extra(s, name)

    def shard_name(self, s: int) -> str:
        """Return what to call shard s in a message."""
        return str(self.path / self._shards.file(s))

    def _check(self, s: int) -> None:
        """Check the contents of a shard when it is used for the first time."""
        if s not in self._checked:
            columns = self._shards.columns(s)
            problem = _other_dtype(columns, self.manifest) or problem_in(columns, self.tables)
            if problem:
                raise damaged(self.path / self._shards.file(s), problem)
            self._checked.add(s)

    def locate(self, row: int) -> tuple[int, int]:
        """Return shard and place of a row; negative rows count from the end, IndexError beyond."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of a store of {len(self)} graphs")
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
        parts = [self._shards.row_id(s) for s in range(self.num_shards)]
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

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the manifest, which holds the checksums of all files; hex."""
        return sha256(manifest_bytes(self.manifest)).hexdigest()

    @property
    def nbytes(self) -> int:
        """Bytes of all files of the store."""
        return sum(entry.bytes for entry in self.manifest.entries())


def _other_dtype(columns: GraphColumns, manifest: Manifest) -> str | None:
    """Return which column has another dtype than the manifest says, None if none has.

    The loader reads bytes by the manifest's dtypes, and a negative code would point before its
    table.
    """
    for name, wanted in manifest.dtypes.items():
        found = getattr(columns, name).dtype
        if found != wanted or found.kind != "u":
            return f"{name} is {found}, expected the manifest's {wanted}, unsigned"
    return None


def problem_in(columns: GraphColumns, tables: FeatureTables) -> str | None:
    """Return which codes or indices point outside their table or graph, None if none does.

    This is checked once per shard, before anything in it is used as an address.
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
    for group, home, names in INDEXED:
        highest = reduce(np.maximum, [getattr(columns, name) for name in names])
        if _points_outside(highest, columns.sizes(group), columns.sizes(home)):
            return f"{' or '.join(names)} points outside its graph"
    return None


def _points_outside(index: npt.NDArray[Any], counts: IntArray, rows: IntArray) -> bool:
    """Return whether an index is not below the number of rows of its graph.

    Args:
        index: [sum of counts] int, local to the graph.
        counts: [G] indices of each graph.
        rows: [G] rows of each graph.
    """
    if (counts[rows == 0] > 0).any():
        return True
    last = np.clip(rows - 1, 0, np.iinfo(index.dtype).max).astype(index.dtype)
    return bool((index > np.repeat(last, counts)).any())


def _shards(path: Path, manifest: Manifest, mirror: Mirror | None) -> Shards:
    """Return what reads the shards of a store; zarr is imported for a Zarr store only."""
    if manifest.kind == "arrow":
        return ArrowShards(path, manifest, mirror.ensure if mirror else None)
    if manifest.kind != "zarr":
        raise StoreVersionError(
            f"{path} is a store of kind {manifest.kind!r}, this release reads {' and '.join(KINDS)}"
        )
    from pepland_data.store.zarr.read import ZarrShards

    return ZarrShards(path, manifest, mirror.read if mirror else None)


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
