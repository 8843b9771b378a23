"""Checks of a shard before its numbers are used as addresses: dtypes, offsets, codes, indices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.graph.columns import GROUPS, GraphColumns, IntArray
from pepland_data.graph.feature_tables import (
    FeatureTables,
    atom_mask_row,
    bond_mask_row,
    fragment_mask_row,
)

INDEXED = (
    ("atom", "fragment", ("atom_fragment",)),
    ("bond", "atom", ("bond_begin", "bond_end")),
    ("reaction", "fragment", ("reaction_begin", "reaction_end")),
)
"""Group, the group whose rows it names, and the columns that do."""


Sizes = Mapping[str, npt.NDArray[np.integer[Any]]]
"""``num_atoms``... -> [G] uint32."""


def table_problem(tables: FeatureTables) -> str | None:
    """Return what is wrong with the tables of a store, None if nothing is."""
    masks = (
        ("atom_x", tables.atom_x, atom_mask_row()),
        ("atom_label", tables.atom_label, np.array([-1, -1], np.int16)),
        ("bond_x", tables.bond_x, bond_mask_row()),
        ("fragment_x", tables.fragment_x, fragment_mask_row()),
    )
    for name, table, mask in masks:
        if table.dtype != mask.dtype or table.ndim != 2 or table.shape[1] != len(mask):
            shape = f"{table.dtype} {list(table.shape)}"
            return f"{name} is {shape}, expected {mask.dtype} with rows of {len(mask)}"
        if not len(table) or not np.array_equal(table[0], mask):
            return f"row 0 of {name} is not the mask row"
    if len(tables.atom_label) != len(tables.atom_x):
        return "atom_label and atom_x have different numbers of rows"
    texts = tables.fragment_smiles
    if len(texts) != len(tables.fragment_x) or not all(type(text) is str for text in texts):
        return "the SMILES of the fragments are no texts, or not one per row of fragment_x"
    return None


def sizes_problem(sizes: Sizes, graphs: int, counts: Mapping[str, int]) -> str | None:
    """Return what is wrong with the sizes of all graphs, None if nothing is.

    Args:
        sizes: of all graphs.
        graphs: number of graphs in the shards.
        counts: of the manifest.
    """
    if graphs != counts["graphs"]:
        return f"its shards have {graphs} graphs, expected {counts['graphs']}"
    for name, values in sizes.items():
        if values.dtype != np.uint32 or values.shape != (graphs,):
            return f"{name} is {values.dtype} {list(values.shape)}, expected uint32 [{graphs}]"
        total, expected = int(values.sum(dtype=np.int64)), counts[name.removeprefix("num_")]
        if total != expected:
            return f"{name} add up to {total}, expected {expected}"
    return None


def shard_problem(
    columns: GraphColumns, tables: FeatureTables, dtypes: Mapping[str, str], expected: Sizes
) -> str | None:
    """Return what is wrong with the graphs of a shard, None if nothing is.

    Args:
        columns: graphs of the shard.
        tables: of the store.
        dtypes: of the manifest. The loader reads bytes by these dtypes, and a negative code would
            point before its table.
        expected: sizes of these graphs in the sizes file. The loader reads as many items.
    """
    for name, wanted in dtypes.items():
        found = getattr(columns, name).dtype
        if found != wanted or found.kind != "u":
            return f"{name} is {found}, expected the manifest's {wanted}, unsigned"
    for group, names in GROUPS.items():
        ptr = getattr(columns, f"{group}_ptr")
        rows = len(getattr(columns, names[0]))
        if any(len(getattr(columns, name)) != rows for name in names):
            return f"the columns of {group}s have different lengths"
        if ptr.dtype != np.int64 or ptr[0] != 0 or ptr[-1] != rows or (np.diff(ptr) < 0).any():
            return f"the offsets of {group}s do not ascend from 0 to {rows}"
        if not np.array_equal(np.diff(ptr), expected[f"num_{group}s"]):
            return f"it has other numbers of {group}s than the sizes file of the store"
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
