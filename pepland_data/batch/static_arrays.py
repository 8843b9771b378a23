"""The same arrays for every batch, for programs that are recorded."""

from __future__ import annotations

import torch

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.byte_layout import COLUMNS, Shape, padding_value, spans, tensors
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GROUPS


class StaticArrays:
    """Arrays of one shape, into which batches are copied."""

    def __init__(self, shape: Shape, tables: BatchTables, device: torch.device) -> None:
        self.shape, self.tables = shape, tables
        block = torch.zeros(spans(shape)[1], dtype=torch.uint8, device=device)
        self.batch = HeteroBatch(tables, **tensors(block, shape))

    def fits(self, b: HeteroBatch) -> bool:
        """Return whether a batch fits."""
        return (
            b.tables is self.tables
            and b.num_graphs <= self.shape.graphs
            and all(len(getattr(b, n[0])) < self.shape.rows[g] for g, n in GROUPS.items())
        )

    def fill(self, b: HeteroBatch) -> None:
        """Copy a batch."""
        for name in COLUMNS:
            t, s = getattr(self.batch, name), getattr(b, name)
            t[: len(s)] = s
            t[len(s) :] = padding_value(name, self.shape)
        n = b.num_graphs
        self.batch.graph_index[:n] = b.graph_index
        self.batch.graph_index[n:] = -1
        for g in GROUPS:
            t, s = getattr(self.batch, f"{g}_ptr"), getattr(b, f"{g}_ptr")
            t[: n + 1] = s
            t[n + 1 :] = s[-1]


def capacity_for(b: HeteroBatch, slack: float) -> Shape:
    """Return a shape with room."""
    rows = {g: -(-int(len(getattr(b, n[0])) * slack + 64) // 64) * 64 for g, n in GROUPS.items()}
    return Shape(b.num_graphs, rows)
