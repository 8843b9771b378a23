"""The shards of a Zarr store, decoded into memory many graphs at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pepland_data.graph.columns import GROUPS, SIZES, GraphColumns, pointers
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.store.arrow_shards import UNREADABLE, ShardData
from pepland_data.store.manifest import Manifest
from pepland_data.store.store_files import damaged
from pepland_data.store.zarr.arrays import Fetch, ZarrArrays
from pepland_data.store.zarr.columns import (
    Parts,
    column_folder,
    decode_column,
    encoding_of,
    message_type,
)
from pepland_data.store.zarr.layout import ROOT

WINDOW_ROWS = 2**14
"""Graphs decoded at once, about 16 MiB."""
WINDOWS_KEPT = 4
TEXTS_KEPT = 16
"""Number of Arrow arrays that are kept, each of one shard."""

Ends = npt.NDArray[np.int64]


class ZarrShards:
    """The shards of a Zarr store by number; the shards decoded last are kept.

    Args:
        path: folder of the store.
        manifest: of the store.
        fetch: reads the objects of a remote store; None reads them from `path`.
    """

    def __init__(self, path: Path, manifest: Manifest, fetch: Fetch | None = None) -> None:
        self.path, self.manifest = path, manifest
        self.arrays = ZarrArrays(path, manifest, fetch)
        self.sizes = {name: self.arrays.read(name, np.uint32) for name in SIZES}
        self.rows: list[int] = self.arrays.read("shard_rows", np.int64).tolist()
        graphs = {len(sizes) for sizes in self.sizes.values()}
        if min(self.rows, default=0) < 0 or graphs != {sum(self.rows)}:
            raise damaged(path, "sizes and shard_rows are of different numbers of graphs")
        self._ptr = pointers(self.rows)
        self._ends = {g: self._at_shards(self.sizes[f"num_{g}s"]) for g in GROUPS}
        self._byte_ends: dict[str, Ends] = {}
        self._windows: OrderedDict[int, tuple[int, GraphColumns]] = OrderedDict()
        self._next = 0
        self._texts: OrderedDict[tuple[int, str], Any] = OrderedDict()

    def _at_shards(self, sizes: npt.NDArray[Any]) -> Ends:
        """Return the first item of each shard, and the end, from sizes per graph. [S+1] int64."""
        return pointers(sizes)[self._ptr]

    def tables(self) -> FeatureTables:
        """Return the tables of the store."""
        read = self.arrays.read
        text = read("fragment_smiles", np.uint8).tobytes()
        ends = self._pointers("fragment_smiles_length", np.uint32, len(text)).tolist()
        x = {
            "atom_x": read("atom_x", np.float32),
            "atom_label": read("atom_label", np.int16),
            "bond_x": read("bond_x", np.uint8),
            "fragment_x": read("fragment_x", np.uint8),
        }
        try:
            smiles = tuple(text[a:b].decode() for a, b in pairwise(ends))
        except UnicodeDecodeError as error:
            raise damaged(self.path / ROOT / "fragment_smiles", error) from error
        return FeatureTables(**x, fragment_smiles=smiles)

    def _pointers(self, lengths: str, dtype: npt.DTypeLike, total: int | None = None) -> Ends:
        """Return the first byte of each text and the end, from an array of lengths. int64."""
        sizes = self.arrays.read(lengths, dtype)
        ptr = pointers(sizes)
        if (np.diff(ptr) < 0).any() or total not in (None, ptr[-1]):
            raise damaged(self.path / ROOT / lengths, "the lengths do not add up")
        return ptr

    def shard_name(self, s: int) -> str:
        """Return the name of shard s for messages."""
        return f"shard {s} (graphs {self._ptr[s]} to {self._ptr[s + 1] - 1})"

    def columns(self, s: int) -> GraphColumns:
        """Return the graphs of shard s; a sequential read decodes the next shards with it."""
        first = next((w for w, (end, _) in self._windows.items() if w <= s < end), None)
        if first is None:
            first = self._decode(s)
        self._windows.move_to_end(first)
        columns, start = self._windows[first][1], self._ptr[first]
        return columns.slice(int(self._ptr[s] - start), int(self._ptr[s + 1] - start))

    def _decode(self, s: int) -> int:
        """Decode shard s; in a sequential read also the next shards, up to `WINDOW_ROWS` graphs."""
        in_window = int(np.searchsorted(self._ptr, self._ptr[s] + WINDOW_ROWS, "right")) - 1
        end = max(in_window, s + 1) if s == self._next else s + 1
        self._next = end
        ends = {group: ends[[s, end]].tolist() for group, ends in self._ends.items()}
        self.arrays.load([(n, *ends[group]) for group, names in GROUPS.items() for n in names])
        made: dict[str, Any] = {}
        for group, names in GROUPS.items():
            made |= {
                name: self.arrays.read(name, self.manifest.dtypes[name], *ends[group])
                for name in names
            }
            sizes = self.sizes[f"num_{group}s"][self._ptr[s] : self._ptr[end]]
            made[f"{group}_ptr"] = pointers(sizes)
        self._windows[s] = (end, GraphColumns(**made))
        _drop_oldest(self._windows, WINDOWS_KEPT)
        return s

    def shard(self, s: int) -> ShardData:
        """Return all data of shard s."""
        extra = {name: self.array(s, name) for name in self.column_types}
        return ShardData(self.columns(s), self.row_id(s), self.array(s, "smiles"), extra)

    def row_id(self, s: int) -> npt.NDArray[np.int64]:
        """Return the input rows of shard s. [rows] int64."""
        return self.arrays.read("row_id", np.int64, *self._bounds(s))

    def array(self, s: int, name: str) -> Any:
        """Return ``smiles`` or a pass-through column of shard s as an Arrow array."""
        if name == "smiles":
            return self._array(s, pa.large_string(), {"length": "smiles_length", "bytes": "smiles"})
        parts = ("values", "valid", "length", "bytes")
        names = {part: f"{column_folder(name)}/{part}" for part in parts}
        return self._array(s, self.column_types[name], names)

    def _array(self, s: int, kind: Any, names: Mapping[str, str]) -> Any:
        """Return an Arrow array of shard s, decoded from the Zarr arrays of its parts."""
        key = (s, names["bytes"])
        if key not in self._texts:
            parts, rows = self._parts(s, kind, names), self.rows[s]
            try:
                array = decode_column(kind, rows, parts)
                array.validate(full=True)
                if array.type != kind or len(array) != rows:
                    raise ValueError(f"{len(array)} of {array.type}, expected {rows} of {kind}")
            except (*UNREADABLE, StopIteration) as error:
                raise damaged(self.path, f"{self.shard_name(s)}: {error}") from error
            self._texts[key] = array
            _drop_oldest(self._texts, TEXTS_KEPT)
        return self._texts[key]

    def _parts(self, s: int, kind: Any, names: Mapping[str, str]) -> Parts:
        """Return what the arrays of a column hold for shard s."""
        read, rows, encoding = self.arrays.read, self._bounds(s), encoding_of(kind)
        if encoding == "arrow":
            span = self._byte_range(s, names["length"], np.int64, np.arange(len(self._ptr)))
            return {"bytes": read(names["bytes"], np.uint8, *span)}
        valid = names.get("valid")
        parts = {"valid": read(valid, bool, *rows)} if valid and valid in self.arrays else {}
        if encoding == "values":
            return {**parts, "values": read(names["values"], kind.to_pandas_dtype(), *rows)}
        span = self._byte_range(s, names["length"], np.uint32, self._ptr)
        length = read(names["length"], np.uint32, *rows)
        return {**parts, "length": length, "bytes": read(names["bytes"], np.uint8, *span)}

    def _byte_range(
        self, s: int, lengths: str, dtype: npt.DTypeLike, at: npt.NDArray[np.int64]
    ) -> tuple[int, int]:
        """Return the first byte of shard s, and the one after its last.

        Args:
            s: number of the shard.
            lengths: array with the length of each text, or of each shard.
            dtype: of this array.
            at: [S+1] int64, first item of each shard in it, and the end.
        """
        if lengths not in self._byte_ends:
            ptr = self._pointers(lengths, dtype)
            if len(ptr) != at[-1] + 1:
                raise damaged(self.path / ROOT / lengths, f"expected {at[-1]} lengths")
            self._byte_ends[lengths] = ptr[at]
        return int(self._byte_ends[lengths][s]), int(self._byte_ends[lengths][s + 1])

    @cached_property
    def column_types(self) -> Mapping[str, Any]:
        """The Arrow type of each pass-through column; empty for a store without graphs."""
        names = self.manifest.columns if self.rows else ()
        return {name: self._column_type(name) for name in names}

    def _column_type(self, name: str) -> Any:
        about = self.arrays.attributes(column_folder(name))
        try:
            kind = message_type(about["arrow_schema"])
        except UNREADABLE as error:
            raise damaged(self.path / ROOT / column_folder(name), error) from error
        if (about["name"], about["encoding"]) != (name, encoding_of(kind)):
            why = f"it describes {about['name'][:40]!a} as {about['encoding']}, a {kind}"
            raise damaged(self.path / ROOT / column_folder(name), why)
        return kind

    def _bounds(self, s: int) -> tuple[int, int]:
        return int(self._ptr[s]), int(self._ptr[s + 1])


def _drop_oldest(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
