"""How many distinct states a corpus has, which shows what computing each one once can save."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_model.network.edges import view_edges
from pepland_model.network.states.distinct import distinct_plan, fresh_levels
from pepland_model.train.mask import MaskOptions, mask_batch

ROUNDS = 4
BATCH = 512
"""Graphs per batch."""
VIEWS = {"atom": ("bond", "atom_code"), "fragment": ("reaction", "fragment_code")}


def corpus_counts(columns: GraphColumns, tables: FeatureTables) -> dict[str, Any]:
    """Return the distinct states of a batch, with and without masks, and of the whole corpus."""
    host = BatchTables.from_tables(tables)
    chosen = np.random.default_rng(0).permutation(len(columns))[:BATCH]
    batch = HeteroBatch.from_columns(columns.take(chosen), host, chosen)
    starts = range(0, len(columns), BATCH)
    parts = [columns.slice(s, min(s + BATCH, len(columns))) for s in starts]
    return {
        "batch": state_counts([batch]),
        "masked_batch": state_counts([mask_batch(batch, MaskOptions(), 0, 0).batch]),
        "corpus": state_counts([HeteroBatch.from_columns(part, host) for part in parts]),
    }


def state_counts(batches: list[HeteroBatch]) -> dict[str, Any]:
    """Return states and distinct states of each view over some batches.

    Nodes are counted after 0 to 4 rounds and after the last layer, edges after 0 to 4 rounds.
    """
    found: dict[str, Any] = {"graphs": sum(batch.num_graphs for batch in batches)}
    for view, (prefix, name) in VIEWS.items():
        levels = fresh_levels(ROUNDS)
        rows = {"nodes": 0, "edges": 0}
        for batch in batches:
            codes = getattr(batch, name)
            edges = view_edges(batch, prefix, len(codes))
            distinct_plan(codes, edges, ROUNDS, 1.0, levels)
            rows = {"nodes": rows["nodes"] + len(codes), "edges": rows["edges"] + len(edges.dst)}
        first = [
            len(torch.unique(torch.cat([getattr(batch, n) for batch in batches])))
            for n in (name, f"{prefix}_code")
        ]
        nodes = [first[0], *(len(level.nodes) for level in levels)]
        links = [first[1], *(len(level.edges) for level in levels[:-1])]
        found[view] = {**rows, "distinct_nodes": nodes, "distinct_edges": links}
    return found
