"""Contents of a merged store: tables, dtypes, columns, and the graphs of each shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pepland_data.builder.column_types import NUMBERS, column_kind, widest
from pepland_data.builder.commit import code_dtypes
from pepland_data.chem.added_columns import added_columns
from pepland_data.errors import BuildError
from pepland_data.graph.columns import GROUPS
from pepland_data.graph.feature_tables import FeatureTables, Recode, merge_tables
from pepland_data.inputs.part import joined_parts
from pepland_data.store.graph_store import GraphStore


@dataclass(frozen=True, eq=False)
class MergeSource:
    """One store to merge, and how its rows and codes change."""

    store: GraphStore
    first_row: int
    """Number that is added to its row numbers."""
    recode: Recode
    """New code of each of its codes."""

    @property
    def rows(self) -> int:
        """Input rows, graphs and rejects."""
        return int(self.store.manifest.counts["rows"])

    @cached_property
    def row_id(self) -> npt.NDArray[np.int64]:
        """[G] int64, row number of each graph in the joined input, ascending."""
        return self.store.row_id + self.first_row

    @cached_property
    def same_codes(self) -> bool:
        """Whether all codes stay the same."""
        parts = (self.recode.atom, self.recode.bond, self.recode.fragment)
        return all(np.array_equal(part, np.arange(len(part))) for part in parts)


@dataclass(frozen=True)
class ShardSlice:
    """Graphs ``start`` to ``stop`` of one shard of one store."""

    source: int
    shard: int
    start: int
    """Position in the shard."""
    stop: int


@dataclass(frozen=True, eq=False)
class MergeTarget:
    """The stores to merge, and properties that all shards of the merged store share."""

    sources: Sequence[MergeSource]
    tables: FeatureTables
    dtypes: Mapping[str, str]
    columns: Mapping[str, Any]
    """Pass-through column -> Arrow type, in the order of the merged store."""
    rows_per_shard: int


def merge_target(
    stores: Sequence[GraphStore], rows_per_shard: int | None
) -> tuple[MergeTarget, list[str]]:
    """Return the contents of the merged store, and notes on columns that change."""
    tables, recodes = merge_tables([store.tables for store in stores])
    starts = np.cumsum([0, *(store.manifest.counts["rows"] for store in stores)])
    sources = [
        MergeSource(store, int(start), recode)
        for store, start, recode in zip(stores, starts, recodes, strict=False)
    ]
    columns, notes = _join_columns(stores)
    joined = joined_parts([store.manifest.input for store in stores])
    if joined and "first_row" not in joined:
        columns = _whole_types(stores, columns)
    rows = rows_per_shard or int(stores[0].manifest.options["rows_per_shard"])
    return MergeTarget(sources, tables, _dtypes(stores, tables), columns, rows), notes


def _dtypes(stores: Sequence[GraphStore], tables: FeatureTables) -> dict[str, str]:
    """Return the narrowest dtypes: of codes by the tables, of indices by the stores."""
    found = code_dtypes(tables)
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


def _whole_types(stores: Sequence[GraphStore], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return column types after all parts of a build are merged; parts keep numbers as text."""
    types = dict(columns)
    added = added_columns(stores[0].manifest.options.get("add", ()))
    texts = (n for n, kind in columns.items() if kind == pa.large_string() and n not in added)
    for name in texts:
        shards = ((store, s) for store in stores for s in range(store.num_shards))
        kind = widest({column_kind(store.shard(s).extra[name]) for store, s in shards})
        types[name] = NUMBERS.get(kind, pa.large_string())
    return types


def _common_type(name: str, found: set[Any]) -> Any:
    """Return a type for all values: float64 for int64 and float64, else text for plain types."""
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
    """Return the slices of each shard, split at multiples of the rows per shard; none is empty."""
    slices: dict[int, list[ShardSlice]] = {}
    for number, source in enumerate(target.sources):
        for shard, (start, stop) in enumerate(pairwise(source.store.shard_ptr.tolist())):
            rows = source.row_id[start:stop] // target.rows_per_shard
            cuts = np.flatnonzero(np.diff(rows, prepend=-1)).tolist()
            for begin, end in zip(cuts, [*cuts[1:], stop - start], strict=True):
                slices.setdefault(int(rows[begin]), []).append(
                    ShardSlice(number, shard, begin, end)
                )
    return [slices[shard] for shard in sorted(slices)]
