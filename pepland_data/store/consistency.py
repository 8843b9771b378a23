"""Checks between the numbers of a store that are too slow for every opening of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pepland_data.store.arrow_shards import ShardData
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.manifest_form import REJECTS
from pepland_data.store.row_files import read_rows

CODES = ("atom_code", "bond_code", "reaction_code", "fragment_code")


def consistency_faults(store: GraphStore) -> list[str]:
    """Return one sentence for each fault in row numbers, codes and bonds.

    Every input row must be exactly one graph or one reject, and graphs must be in the order of
    their rows. No graph may contain the mask row, and no bond may connect an atom to itself. (A cut
    bond in a ring may connect a fragment to itself.)
    """
    rejected, counts = _rejected(store), store.manifest.counts
    faults = _row_faults(rejected, counts["rows"], REJECTS)
    last = -1
    for s in range(store.num_shards):
        data, name = store.shard(s), f"shard {s}"
        ids = np.concatenate([[last], data.row_id])
        faults += _row_faults(ids[1:], counts["rows"], name)
        if (np.diff(ids) <= 0).any():
            faults.append(f"{name}: row numbers are not in ascending order")
        if np.isin(data.row_id, rejected).any():
            faults.append(f"{name}: a row number is also among the rejects")
        last = int(ids[-1])
        faults += [f"{name}: {fault}" for fault in _graph_faults(data)]
    return faults


def _rejected(store: GraphStore) -> npt.NDArray[np.int64]:
    return np.sort(read_rows(store.path, store.manifest, REJECTS)["row_id"].to_numpy())


def _row_faults(ids: npt.NDArray[np.int64], rows: int, name: str) -> list[str]:
    outside = ((ids < 0) | (ids >= rows)).any()
    return [f"{name}: a row number is outside 0..{rows - 1}"] if outside else []


def _graph_faults(data: ShardData) -> list[str]:
    columns = data.columns
    faults = [f"{n} contains the mask row" for n in CODES if (getattr(columns, n) == 0).any()]
    if (columns.bond_begin == columns.bond_end).any():
        faults.append("a bond connects an atom to itself")
    return faults
