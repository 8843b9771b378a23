"""Golden graphs, and a small loader and network, for tests of training."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GraphColumns, columns_of_one, concat
from pepland_data.graph.feature_tables import empty_keys, merge_tables, tables_from_keys
from pepland_data.graph.heterograph import HeteroGraph
from tests.helpers.paths import PUBLIC


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
    arrays = dict(
        atom_code=atom_code,
        atom_fragment=atom_fragment,
        fragment_code=fragment_code,
        fragment_residue=residue,
        **halves,
    )
    return HeteroGraph(str(npz["smiles"][i]), tables, columns_of_one(arrays))


@cache
def golden_graphs() -> list[HeteroGraph]:
    """All graphs of the golden file that ships with the project."""
    npz = dict(np.load(PUBLIC))
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


class PlainLoader:
    """A simple loader with seeded order, ranks and a position to resume from.

    Rank r takes every world-th graph of a global batch.
    """

    def __init__(self, rows, batch_size: int, shuffle=True, seed=0, rank=0, world=1) -> None:
        self.columns, self.tables = golden_columns()
        self.rows, self.batch_size, self.shuffle, self.seed = rows, batch_size, shuffle, seed
        self.rank, self.world = rank, world
        self.epoch = self.position = 0

    def __len__(self) -> int:
        return -(-len(self.rows) // (self.batch_size * self.world))

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.position = epoch, 0

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.epoch, self.position = state["epoch"], state["position"]

    def __iter__(self):
        order = np.asarray(self.rows)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        width = self.batch_size * self.world
        while self.position < len(order):
            chosen = order[self.position : self.position + width][self.rank :: self.world]
            self.position += width
            yield HeteroBatch.from_columns(self.columns.take(chosen), self.tables, chosen)


class TinyEncoder(nn.Module):
    """One round of neighbour sums: it learns something and is fast enough for kill tests."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.atom, self.bond = nn.Linear(42, width), nn.Linear(14, width)
        self.fragment, self.mix = nn.Linear(196, width), nn.Linear(width, width)

    def forward(self, batch, atom_rows=slice(None), fragment_rows=slice(None)) -> SimpleNamespace:
        t = batch.tables
        atoms = self.atom(t.atom_x)[batch.atom_code.long()]
        bonds = self.bond(t.bond_x)[batch.bond_code.long()]
        begin, end = batch.bond_begin.long(), batch.bond_end.long()
        near = torch.zeros_like(atoms)
        near = near.index_add(0, begin, (atoms[end] + bonds).relu())
        near = near.index_add(0, end, (atoms[begin] + bonds).relu())
        atoms = atoms + self.mix(near)
        fragments = self.fragment(t.fragment_x)[batch.fragment_code.long()]
        fragments = fragments.index_add(0, batch.atom_fragment.long(), atoms)
        return SimpleNamespace(
            atom_embedding=atoms[atom_rows], fragment_embedding=fragments[fragment_rows]
        )


class TinyHeads(nn.Module):
    """Heads like `PretrainHeads`, of another width."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.atom, self.fragment = nn.Linear(width, 119), nn.Linear(width, classes)
        self.bond = nn.Linear(width, 4)
