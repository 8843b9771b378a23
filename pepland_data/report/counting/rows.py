"""Some rows of a store, their graphs in blocks, and their texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.graph.columns import GraphColumns
from pepland_data.store.graph_store import GraphStore

Rows = npt.NDArray[np.int64]
BLOCK = 4096
"""Graphs in memory at a time."""


def some_rows(rows: Rows, most: int) -> Rows:
    """Return at most `most` of the rows, drawn evenly and ascending: the same ones at each call."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def blocks(store: GraphStore, rows: Rows) -> Iterator[tuple[Rows, GraphColumns]]:
    """Yield the rows of each block, [K] int64, and their graphs.

    Args:
        store: an opened store.
        rows: [N] int64, ascending.
    """
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        yield part, store.gather(part)


def values_at(store: GraphStore, rows: Rows, name: str = "smiles") -> list[Any]:
    """Return the texts, or the values of a column, of some rows.

    Args:
        store: an opened store.
        rows: [N] int64, ascending.
        name: ``smiles`` or the name of a column.
    """
    found: list[Any] = []
    shard_of = np.searchsorted(store.shard_ptr, rows, side="right") - 1
    for s in np.unique(shard_of).tolist():
        places = rows[shard_of == s] - store.shard_ptr[s]
        found += store.shard_array(s, name).take(places).to_pylist()
    return found
