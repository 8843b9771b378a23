"""Batches of molecules of all kinds for the tests of the network, and the same with ghosts."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np

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
from tests.helpers.pretrain_data import golden_graphs

EDGE_CASES = [
    "C", "[He]", "CC", "CC(=O)[O-].[Na+]", "[Cl-].[Cl-].[Zn+2]", "NCC(=O)O", "c1ccccc1",
    "O=C1CCC(=O)N1CC(=O)NC", "F[P-](F)(F)(F)(F)F", "C[N+](C)(C)C",
]  # fmt: skip
"""One atom, no bonds, one fragment, salts, an imide, degrees 4 and 6."""


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
    """The batch in longer arrays that end in ghosts, written as the loader writes them."""
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
