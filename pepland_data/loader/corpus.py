"""One or more stores as one sequence of graphs with one set of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
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
        InputError: the list is empty.
    """

    def __init__(self, stores: Sequence[GraphStore]) -> None:
        if not stores:
            raise InputError("no store to load from; give one or more")
        self.stores = tuple(stores)
        self.start = np.cumsum([0, *(len(store) for store in stores)], dtype=np.int64)
        self.tables, self.recodes = _merge_all([store.tables for store in stores])

    def __len__(self) -> int:
        return int(self.start[-1])

    def sizes(self, graphs: Rows) -> dict[str, Rows]:
        """Return group -> rows of each of the graphs, [K] int64; no shard is read."""
        if len(self.stores) == 1:
            return {group: _sizes(self.stores[0], group)[graphs].astype(np.int64)
                    for group in GROUPS}  # fmt: skip
        owner = self.owner(graphs)
        found = {group: np.empty(len(graphs), np.int64) for group in GROUPS}
        for store in np.unique(owner).tolist():
            here = owner == store
            local = graphs[here] - self.start[store]
            for group in GROUPS:
                found[group][here] = _sizes(self.stores[store], group)[local]
        return found

    def owner(self, graphs: Rows) -> Rows:
        """Return the store of each graph. [K] int64."""
        return np.searchsorted(self.start, graphs, side="right") - 1

    def group_by_store(self, graphs: Rows) -> Rows:
        """Return the graphs grouped by store, in their order inside a store."""
        if len(self.stores) == 1:
            return graphs
        return graphs[np.argsort(self.owner(graphs), kind="stable")]

    def shards(self) -> Iterator[tuple[int, int]]:
        """Yield (store, shard) numbers in the order of the graph numbers."""
        for number, store in enumerate(self.stores):
            yield from ((number, shard) for shard in range(store.num_shards))

    def shard_columns(self, store: int, shard: int) -> GraphColumns:
        """Return the columns of a shard; StoreDamagedError if they are not as the store says."""
        return self.stores[store].shard_columns(shard)


def _merge_all(tables: Sequence[FeatureTables]) -> tuple[FeatureTables, list[Recode | None]]:
    """Return the union of tables, and the new codes of each; None where no code changes."""
    if all(other is tables[0] or other.same_as(tables[0]) for other in tables):
        return tables[0], [None] * len(tables)
    merged, recodes = merge_tables(tables)
    return merged, list(recodes)


def _sizes(store: GraphStore, group: str) -> npt.NDArray[Any]:
    sizes: npt.NDArray[Any] = getattr(store, f"num_{group}s")
    return sizes


def subset_rows(subset: Subset | None, store: GraphStore) -> Rows | None:
    """Return the rows of a store that a subset selects. [N] int64, None for all.

    Args:
        subset: [N] int rows in the order to keep; [G] bool; or a function of the store's
            pass-through columns that returns either, such as ``lambda c: c["affinity"] > 5``.
        store: the store to select from.

    Raises:
        InputError: rows outside the store, a bool array of another length, or another dtype.
    """
    if subset is None:
        return None
    rows = np.asarray(subset(store.columns) if callable(subset) else subset)
    if rows.dtype == bool:
        if rows.shape != (len(store),):
            raise InputError(
                f"the subset is of shape {rows.shape}, but a subset of bools for a store of "
                f"{len(store)} graphs needs one bool per graph"
            )
        return np.flatnonzero(rows)
    if rows.ndim != 1 or not (np.issubdtype(rows.dtype, np.integer) or rows.size == 0):
        raise InputError(
            f"the subset is {rows.dtype} of shape {rows.shape}; expected row numbers or bools"
        )
    rows = rows.astype(np.int64)
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(store)):
        raise InputError(f"the subset names rows outside 0..{len(store) - 1}")
    return rows
