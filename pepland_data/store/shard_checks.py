"""Checks of a shard before its numbers are used as addresses: dtypes, offsets, codes, indices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.graph.columns import GROUPS, GraphColumns, IntArray
from pepland_data.graph.feature_tables import FeatureTables

INDEXED = (
    ("atom", "fragment", ("atom_fragment",)),
    ("bond", "atom", ("bond_begin", "bond_end")),
    ("reaction", "fragment", ("reaction_begin", "reaction_end")),
)
"""Group, the group whose rows it names, and the columns that do."""


def shard_problem(
    columns: GraphColumns, tables: FeatureTables, dtypes: Mapping[str, str]
) -> str | None:
    """Return what is wrong with the graphs of a shard, None if nothing is.

    Args:
        columns: graphs of the shard.
        tables: of the store.
        dtypes: of the manifest. The loader reads bytes by these dtypes, and a negative code would
            point before its table.
    """
    for name, wanted in dtypes.items():
        found = getattr(columns, name).dtype
        if found != wanted or found.kind != "u":
            return f"{name} is {found}, expected the manifest's {wanted}, unsigned"
    for group, names in GROUPS.items():
        ptr = getattr(columns, f"{group}_ptr")
        rows = len(getattr(columns, names[0]))
        if ptr[0] != 0 or ptr[-1] != rows or (np.diff(ptr) < 0).any():
            return f"the offsets of {group}s do not ascend from 0 to {rows}"
    codes = (
        ("atom_code", tables.atom_x),
        ("fragment_code", tables.fragment_x),
        ("bond_code", tables.bond_x),
        ("reaction_code", tables.bond_x),
    )
    for name, table in codes:
        if getattr(columns, name).max(initial=0) >= len(table):
            return f"{name} points outside its table of {len(table)} rows"
    for group, home, names in INDEXED:
        highest = reduce(np.maximum, [getattr(columns, name) for name in names])
        if points_outside(highest, columns.sizes(group), columns.sizes(home)):
            return f"{' or '.join(names)} points outside its graph"
    return None


def points_outside(index: npt.NDArray[Any], counts: IntArray, rows: IntArray) -> bool:
    """Return whether an index is not below the number of rows of its graph.

    Args:
        index: [sum of counts] int, local to the graph.
        counts: [G] number of indices of each graph.
        rows: [G] number of rows of each graph.
    """
    if (counts[rows == 0] > 0).any():
        return True
    last = np.clip(rows - 1, 0, np.iinfo(index.dtype).max).astype(index.dtype)
    return bool((index > np.repeat(last, counts)).any())
