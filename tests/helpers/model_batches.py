"""Batches of molecules of all kinds, the same with padding, and small models for them."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np
import torch

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.byte_layout import (
    Shape,
    arrays,
    host_batch,
    outline_of,
    spans,
    write_head,
    write_padding,
)
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GROUPS, concat
from pepland_data.graph.feature_tables import merge_tables
from pepland_data.graph.heterograph import HeteroGraph
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.train.mask import MaskOptions, mask_batch
from tests.helpers.pretrain_data import golden_graphs

STATES = ("atom", "fragment", "atom_junction", "fragment_junction")

EDGE_CASES = [
    "C", "[He]", "CC", "CC(=O)[O-].[Na+]", "[Cl-].[Cl-].[Zn+2]", "NCC(=O)O", "c1ccccc1",
    "O=C1CCC(=O)N1CC(=O)NC", "F[P-](F)(F)(F)(F)F", "C[N+](C)(C)C",
]  # fmt: skip
"""One atom, no bonds, one fragment, salts, an imide, degrees 4 and 6."""
MOLECULES = len(EDGE_CASES) + 40
STATIC_ROWS = ([0, 1, 2, 12], [3, 4, 5, 13], [6, 7, 20, 15])
STATIC_SHAPE = {"atom": 500, "fragment": 120, "bond": 520, "reaction": 110}


def molecules() -> list[HeteroGraph]:
    """Edge cases and odd molecules; the smaller golden graphs on a machine without RDKit."""
    if not find_spec("rdkit"):
        return sorted(golden_graphs(), key=lambda graph: len(graph.columns.atom_code))[:24]
    from pepland_data import featurize
    from tests.helpers.odd_molecules import odd_molecules

    return [featurize(s) for s in [*EDGE_CASES, *odd_molecules(40, seed=5)]]


@cache
def pool():
    """Columns of the molecules with one set of tables."""
    graphs = molecules()
    tables, recodes = merge_tables([g.tables for g in graphs])
    columns = [g.columns.recode(r) for g, r in zip(graphs, recodes, strict=True)]
    return columns, BatchTables.from_tables(tables)


def batch_of(rows: list[int]) -> HeteroBatch:
    columns, tables = pool()
    return HeteroBatch.from_columns(concat([columns[i] for i in rows]), tables, rows)


def padded(batch: HeteroBatch, room: dict[str, int], graphs: int) -> HeteroBatch:
    """The batch in longer arrays that end in padding, written as the loader writes them."""
    sizes = {g: np.diff(getattr(batch, f"{g}_ptr").numpy()) for g in GROUPS}
    rows = {g: int(getattr(batch, f"{g}_ptr")[-1]) + room[g] for g in GROUPS}
    parts = outline_of(batch.graph_index.numpy(), sizes, Shape(len(batch) + graphs, rows))
    out = arrays(np.zeros(spans(parts.shape)[1], np.uint8), parts.shape)
    write_head(out, parts)
    for names in GROUPS.values():
        for name in names:
            values = getattr(batch, name).numpy()
            out[name][: len(values)] = values
    write_padding(out, parts)
    return host_batch(out, batch.tables)


def masked(batch: HeteroBatch, mode: str = "atom", mask_bonds: bool = False) -> HeteroBatch:
    return mask_batch(batch, MaskOptions(mode, mask_bonds=mask_bonds), 0, 0).batch


def static_batch(rows: list[int]) -> HeteroBatch:
    """A masked batch in arrays of the same shape for all STATIC_ROWS."""
    batch = batch_of(rows)
    room = {g: STATIC_SHAPE[g] - int(getattr(batch, f"{g}_ptr")[-1]) for g in GROUPS}
    return masked(padded(batch, room, 5 - len(rows)))


def small_model(output: str = "homo", kind: type = PharmHGT, **settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return kind(PharmHGTConfig(output=output, **{"hidden": 24, **settings}))
