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

from pepland_data.graph.columns import GROUPS, GraphColumns, pointers
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.store.arrow_shards import ShardData
from pepland_data.store.manifest import Manifest
from pepland_data.store.store_files import damaged
from pepland_data.store.zarr.arrays import Fetch, ZarrArrays
from pepland_data.store.zarr.columns import column_folder, decode_column, message_type
from pepland_data.store.zarr.layout import SIZES

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
        self.sizes = {name: self.arrays.read(name) for name in SIZES}
        self.rows: list[int] = self.arrays.read("shard_rows").tolist()
        self._ptr = pointers(self.rows)
        if any(len(sizes) != self._ptr[-1] for sizes in self.sizes.values()):
            raise damaged(path, "sizes and shard_rows are of different numbers of graphs")
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
        ends = pointers(read("fragment_smiles_length")).tolist()
        text = read("fragment_smiles").tobytes()
        smiles = (text[a:b].decode() for a, b in pairwise(ends))
        x = {name: read(name) for name in ("atom_x", "atom_label", "bond_x", "fragment_x")}
        return FeatureTables(**x, fragment_smiles=tuple(smiles))

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
            made |= {name: self.arrays.read(name, *ends[group]) for name in names}
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
        return self.arrays.read("row_id", *self._bounds(s))

    def array(self, s: int, name: str) -> Any:
        """Return ``smiles`` or a pass-through column of shard s as an Arrow array."""
        if name == "smiles":
            return self._array(s, pa.large_string(), {"length": "smiles_length", "bytes": "smiles"})
        parts = ("values", "valid", "length", "bytes")
        names = {part: f"{column_folder(name)}/{part}" for part in parts}
        return self._array(s, self.column_types[name], names)

    def _array(self, s: int, kind: Any, names: Mapping[str, str]) -> Any:
        """Return an Arrow array of shard s, decoded from the Zarr arrays of its parts."""
        key = (s, next(iter(names.values())))
        if key not in self._texts:
            parts = {n: self.arrays.read(a, *self._range(s, a, names))
                     for n, a in names.items() if a in self.arrays}  # fmt: skip
            try:
                self._texts[key] = decode_column(kind, self.rows[s], parts)
                self._texts[key].validate(full=True)
            except (pa.ArrowException, KeyError, ValueError, OSError) as error:
                raise damaged(self.path, f"{self.shard_name(s)}: {error}") from error
            _drop_oldest(self._texts, TEXTS_KEPT)
        return self._texts[key]

    def _range(self, s: int, array: str, names: Mapping[str, str]) -> tuple[int, int]:
        """Return the first item of shard s in an array, and the one after its last."""
        dimension = self.arrays.dimension(array)
        if dimension == "graph":
            return self._bounds(s)
        if dimension == "shard":
            return s, s + 1
        lengths = names["length"]
        if array not in self._byte_ends:
            sizes = self.arrays.read(lengths)
            each = self.arrays.dimension(lengths) == "graph"
            self._byte_ends[array] = self._at_shards(sizes) if each else pointers(sizes)
        return int(self._byte_ends[array][s]), int(self._byte_ends[array][s + 1])

    @cached_property
    def column_types(self) -> Mapping[str, Any]:
        """The Arrow type of each pass-through column; empty for a store without graphs."""
        names = self.manifest.columns if self.rows else ()
        schemas = {n: self.arrays.attributes(column_folder(n))["arrow_schema"] for n in names}
        return {name: message_type(schema) for name, schema in schemas.items()}

    def _bounds(self, s: int) -> tuple[int, int]:
        return int(self._ptr[s]), int(self._ptr[s + 1])


def _drop_oldest(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
