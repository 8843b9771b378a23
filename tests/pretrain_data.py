"""Graphs and stores that the training tests share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from pepland_data.batch import BatchTables, HeteroBatch
from pepland_data.columns import GraphColumns, concat
from pepland_data.graph import HeteroGraph, graph_from_arrays
from pepland_data.tables import empty_keys, merge_tables, tables_from_keys

GOLDEN = Path(__file__).resolve().parent / "golden" / "public.npz"


def _intern(rows: dict, keys: list) -> np.ndarray:
    return np.array([rows.setdefault(key, len(rows)) for key in keys], np.int64)


def golden_graph(npz: dict[str, np.ndarray], i: int) -> HeteroGraph:
    """Turn molecule i of a golden file into codes and tables of its own."""
    cut = {
        g: slice(npz[f"{g}_ptr"][i], npz[f"{g}_ptr"][i + 1])
        for g in ("atom", "fragment", "bond", "reaction")
    }
    mask_atom, mask_bond, mask_fragment = (rows[0] for rows in empty_keys())
    atoms, bonds, fragments = {mask_atom: 0}, {mask_bond: 0}, {mask_fragment: 0}
    label = npz["atom_label"][cut["atom"]]
    atom_rows = npz["atom_x"][cut["atom"]]
    atom_code = _intern(
        atoms,
        [(int(n), int(c), r.tobytes()) for (n, c), r in zip(label, atom_rows, strict=True)],
    )
    fragment_smiles = npz["fragment_smiles"][cut["fragment"]]
    fragment_rows = npz["fragment_x"][cut["fragment"]].astype(np.uint8)
    fragment_code = _intern(
        fragments,
        [(str(s), r.tobytes()) for s, r in zip(fragment_smiles, fragment_rows, strict=True)],
    )
    halves = {}
    for group in ("bond", "reaction"):
        index = npz[f"{group}_index"][:, cut[group]][:, ::2]
        rows = npz[f"{group}_x"][cut[group]][::2].astype(np.uint8)
        halves[f"{group}_begin"], halves[f"{group}_end"] = index
        halves[f"{group}_code"] = _intern(bonds, [r.tobytes() for r in rows])
    atom_fragment = npz["atom_fragment"][cut["atom"]]
    residue = np.zeros(len(fragment_code), np.int64)
    residue[atom_fragment] = npz["atom_residue"][cut["atom"]]
    tables = tables_from_keys((list(atoms), list(bonds), list(fragments)))
    return graph_from_arrays(
        str(npz["smiles"][i]),
        tables,
        atom_code=atom_code,
        atom_fragment=atom_fragment,
        fragment_code=fragment_code,
        fragment_residue=residue,
        **halves,
    )


@cache
def golden_graphs() -> list[HeteroGraph]:
    """All graphs of the golden file that ships with the project."""
    npz = dict(np.load(GOLDEN))
    return [golden_graph(npz, i) for i in range(len(npz["atom_ptr"]) - 1)]


@cache
def golden_columns() -> tuple[GraphColumns, BatchTables]:
    """The same graphs with one set of tables."""
    graphs = golden_graphs()
    tables, recodes = merge_tables([g.tables for g in graphs])
    parts = [g.columns.recode(r) for g, r in zip(graphs, recodes, strict=True)]
    return concat(parts), BatchTables.from_tables(tables)


def golden_batch(rows: list[int] | None = None) -> HeteroBatch:
    """A batch of golden graphs; ``graph_index`` is the position in the file."""
    columns, tables = golden_columns()
    chosen = np.arange(len(columns)) if rows is None else np.asarray(rows)
    return HeteroBatch.from_columns(columns.take(chosen), tables, chosen)
