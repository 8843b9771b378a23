"""What joined stores look like: tables, dtypes, columns, and which rows go into which shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pepland_data.builder.column_types import NUMBERS, column_kind, widest
from pepland_data.errors import BuildError
from pepland_data.graph.columns import GROUPS
from pepland_data.graph.feature_tables import FeatureTables, Recode, merge_tables
from pepland_data.inputs.part import joined_parts
from pepland_data.store.arrow_shards import narrowest
from pepland_data.store.graph_store import GraphStore


@dataclass(frozen=True, eq=False)
class MergeSource:
    """One store, and where its rows go."""

    store: GraphStore
    first_row: int
    """What is added to its row numbers."""
    recode: Recode
    """What its codes become."""

    @property
    def rows(self) -> int:
        """Input rows, graphs and rejects."""
        return int(self.store.manifest.counts["rows"])

    @cached_property
    def row_id(self) -> npt.NDArray[np.int64]:
        """[G] int64, row of each graph in the joined input, ascending."""
        return self.store.row_id + self.first_row

    @cached_property
    def same_codes(self) -> bool:
        """Whether no code changes."""
        parts = (self.recode.atom, self.recode.bond, self.recode.fragment)
        return all(np.array_equal(part, np.arange(len(part))) for part in parts)


@dataclass(frozen=True)
class ShardSlice:
    """Graphs ``start`` to ``stop`` of one store, inside one of its shards."""

    source: int
    shard: int
    start: int
    """Place in the shard."""
    stop: int


@dataclass(frozen=True, eq=False)
class MergeTarget:
    """What all shards of the joined store have in common."""

    sources: Sequence[MergeSource]
    tables: FeatureTables
    dtypes: Mapping[str, str]
    columns: Mapping[str, Any]
    """Pass-through column -> Arrow type, in the order of the store."""
    rows_per_shard: int


def merge_target(
    stores: Sequence[GraphStore], rows_per_shard: int | None
) -> tuple[MergeTarget, list[str]]:
    """Return what the joined store looks like, and notes on columns that change."""
    tables, recodes = merge_tables([store.tables for store in stores])
    starts = np.cumsum([0, *(store.manifest.counts["rows"] for store in stores)])
    sources = [
        MergeSource(store, int(start), recode)
        for store, start, recode in zip(stores, starts, recodes, strict=False)
    ]
    columns, notes = _join_columns(stores)
    joined = joined_parts([store.manifest.input for store in stores])
    if joined and "first_row" not in joined:
        columns = _settled(stores, columns)
    rows = rows_per_shard or int(stores[0].manifest.options["rows_per_shard"])
    return MergeTarget(sources, tables, _dtypes(stores, tables), columns, rows), notes


def _dtypes(stores: Sequence[GraphStore], tables: FeatureTables) -> dict[str, str]:
    """Return the narrowest dtypes: codes by the tables, indices by the widest of the inputs."""
    rows = {
        "atom_code": len(tables.atom_x),
        "bond_code": len(tables.bond_x),
        "reaction_code": len(tables.bond_x),
        "fragment_code": len(tables.fragment_x),
    }
    found = {name: narrowest(count - 1) for name, count in rows.items()}
    for name in (n for names in GROUPS.values() for n in names if n not in found):
        widths = [np.dtype(store.manifest.dtypes[name]) for store in stores]
        found[name] = str(max(widths, key=lambda d: d.itemsize))
    return dict(sorted(found.items()))


def _join_columns(stores: Sequence[GraphStore]) -> tuple[dict[str, Any], list[str]]:
    types: dict[str, set[Any]] = {}
    missing: dict[str, list[str]] = {}
    for store in stores:
        kinds = store.column_types()
        for name in store.manifest.columns:
            types.setdefault(name, set()).update({kinds[name]} if name in kinds else set())
    for name in types:
        missing[name] = [str(s.path) for s in stores if name not in s.manifest.columns]
    joined, notes = {}, []
    for name, found in types.items():
        joined[name] = _common_type(name, found)
        if len(found) > 1:
            was = ", ".join(sorted(str(t) for t in found))
            notes.append(f"column {name!r} was {was}, now {joined[name]}")
        if missing[name]:
            notes.append(f"column {name!r} is empty for {', '.join(missing[name])}")
    return joined, notes


def _settled(stores: Sequence[GraphStore], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types of columns that parts of one build kept as text until all are there."""
    settled = dict(columns)
    for name in (n for n, kind in columns.items() if kind == pa.large_string()):
        shards = ((store, s) for store in stores for s in range(store.num_shards))
        kind = widest({column_kind(store.shard(s).extra[name]) for store, s in shards})
        settled[name] = NUMBERS.get(kind, pa.large_string())
    return settled


def _common_type(name: str, found: set[Any]) -> Any:
    """Return a type that holds all: numbers widen, anything beside text is written as text."""
    if len(found) <= 1:
        return next(iter(found), pa.large_string())
    if found <= {pa.int64(), pa.float64()}:
        return pa.float64()
    plain = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean,
             pa.types.is_string, pa.types.is_large_string)  # fmt: skip
    if all(any(test(kind) for test in plain) for kind in found):
        return pa.large_string()
    shown = " and ".join(sorted(str(kind) for kind in found))
    raise BuildError(f"column {name!r} is {shown}, which have no common type; drop or convert it")


def shard_slices(target: MergeTarget) -> list[list[ShardSlice]]:
    """Return the pieces of each shard, cut at multiples of the rows a shard; none is empty."""
    places: dict[int, list[ShardSlice]] = {}
    for number, source in enumerate(target.sources):
        for shard, (start, stop) in enumerate(_bounds(source.store)):
            rows = source.row_id[start:stop] // target.rows_per_shard
            cuts = np.flatnonzero(np.diff(rows, prepend=-1)).tolist()
            for begin, end in zip(cuts, [*cuts[1:], stop - start], strict=True):
                places.setdefault(int(rows[begin]), []).append(
                    ShardSlice(number, shard, begin, end)
                )
    return [places[place] for place in sorted(places)]


def _bounds(store: GraphStore) -> Iterator[tuple[int, int]]:
    ends = store.shard_ptr.tolist()
    return pairwise(ends)
