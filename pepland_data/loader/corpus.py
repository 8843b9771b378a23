"""One or more stores as one sequence of graphs with one set of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError, StoreDamagedError
from pepland_data.graph.columns import GROUPS, GraphColumns
from pepland_data.graph.feature_tables import FeatureTables, Recode, merge_tables
from pepland_data.store.graph_store import GraphStore

Rows = npt.NDArray[np.int64]
Subset = npt.ArrayLike | Callable[[Mapping[str, Any]], npt.ArrayLike]
"""Row numbers, a bool per row, or a function of the columns of a store that returns either."""


class Corpus:
    """Graphs of some stores, numbered one store after the other.

    Args:
        stores: opened stores.

    Raises:
        InputError: there is none.
    """

    def __init__(self, stores: Sequence[GraphStore]) -> None:
        if not stores:
            raise InputError("no store to load from; give one or more")
        self.stores = tuple(stores)
        self.start = np.cumsum([0, *(len(store) for store in stores)], dtype=np.int64)
        self.tables, self.recodes = _merged([store.tables for store in stores])

    def __len__(self) -> int:
        return int(self.start[-1])

    def sizes(self, graphs: Rows) -> dict[str, Rows]:
        """Return group -> rows of each named graph, [K] int64, without touching a shard."""
        if len(self.stores) == 1:
            return {group: _sizes(self.stores[0], group)[graphs].astype(np.int64)
                    for group in GROUPS}  # fmt: skip
        owner = self.owner(graphs)
        made = {group: np.empty(len(graphs), np.int64) for group in GROUPS}
        for store in np.unique(owner).tolist():
            here = owner == store
            local = graphs[here] - self.start[store]
            for group in GROUPS:
                made[group][here] = _sizes(self.stores[store], group)[local]
        return made

    def owner(self, graphs: Rows) -> Rows:
        """Return the store of each graph. [K] int64."""
        return np.searchsorted(self.start, graphs, side="right") - 1

    def together(self, graphs: Rows) -> Rows:
        """Return the graphs grouped by store, in their order inside a store."""
        if len(self.stores) == 1:
            return graphs
        return graphs[np.argsort(self.owner(graphs), kind="stable")]

    def shards(self) -> Iterator[tuple[int, int]]:
        """Yield store and shard, in the order of the graph numbers."""
        for number, store in enumerate(self.stores):
            yield from ((number, shard) for shard in range(store.num_shards))

    def shard_columns(self, store: int, shard: int) -> GraphColumns:
        """Return a shard as it lies on disk, checked against the store's sizes.

        Raises:
            StoreDamagedError: it cannot be read, or is not what the manifest and sizes say.
        """
        opened = self.stores[store]
        columns = opened.shard_columns(shard)
        rows = slice(int(opened.shard_ptr[shard]), int(opened.shard_ptr[shard + 1]))
        for group in GROUPS:
            if not np.array_equal(columns.sizes(group), _sizes(opened, group)[rows]):
                raise StoreDamagedError(
                    f"{opened.shard_name(shard)} has other numbers of {group}s than the store's "
                    "sizes file; run `pepland-data verify` on the store, then copy it again"
                )
        return columns

    def recode(self, store: int) -> Recode | None:
        """Return where the codes of a store went, None where they stayed."""
        return self.recodes[store]


def _merged(tables: Sequence[FeatureTables]) -> tuple[FeatureTables, list[Recode | None]]:
    """Return the union; tables that are all alike stay as they are."""
    if all(other is tables[0] or other.same_as(tables[0]) for other in tables):
        return tables[0], [None] * len(tables)
    merged, recodes = merge_tables(tables)
    return merged, list(recodes)


def _sizes(store: GraphStore, group: str) -> npt.NDArray[Any]:
    sizes: npt.NDArray[Any] = getattr(store, f"num_{group}s")
    return sizes


def subset_rows(subset: Subset | None, store: GraphStore) -> Rows | None:
    """Return the rows of a store that a subset names. [N] int64, None for all.

    Args:
        subset: [N] int rows in the order to keep; [G] bool; or a function of the store's
            pass-through columns that returns either, such as ``lambda c: c["affinity"] > 5``.
        store: the store it is of.

    Raises:
        InputError: rows outside the store, a bool array of another length, other dtypes.
    """
    if subset is None:
        return None
    rows = np.asarray(subset(store.columns) if callable(subset) else subset)
    if rows.dtype == bool:
        if rows.shape != (len(store),):
            raise InputError(f"a subset of {rows.shape} bools for a store of {len(store)} graphs")
        return np.flatnonzero(rows)
    if rows.ndim != 1 or not (np.issubdtype(rows.dtype, np.integer) or rows.size == 0):
        raise InputError(f"a subset of {rows.dtype} {rows.shape}; expected row numbers or bools")
    rows = rows.astype(np.int64)
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(store)):
        raise InputError(f"subset names rows outside 0..{len(store) - 1}")
    return rows
