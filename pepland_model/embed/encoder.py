"""Graphs to vectors, for `Embedder` and the command ``pepland-embed``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GraphColumns, compact
from pepland_data.graph.feature_tables import FeatureTables
from pepland_model.embed.growing_tables import GrowingTables
from pepland_model.network.cuda_graph import GraphedVectors
from pepland_model.network.pooling import Pooling, run_views, vectors
from pepland_model.run.load_encoder import load_encoder, trained_cut


@dataclass(frozen=True, eq=False)
class NodeVectors:
    """Vectors of graphs."""

    rows: npt.NDArray[np.float32]
    """[N, d] float32."""
    ptr: npt.NDArray[np.int64]
    """[G+1] int64, rows ``ptr[i]`` to ``ptr[i+1]`` belong to graph i (level ``peptide``: one)."""

    def __len__(self) -> int:
        return len(self.ptr) - 1

    def __getitem__(self, i: int) -> npt.NDArray[np.float32]:
        return self.rows[self.ptr[i] : self.ptr[i + 1]]


class Encoder:
    """Runs the encoder of a checkpoint on graphs.

    Args:
        source: run folder, checkpoint folder or model folder.
        device: where it computes.
        exact: compute every graph alone, with its own feature tables, so that its vectors are
            bit-identical whatever other graphs there are.
    """

    def __init__(
        self, source: str | Path, device: torch.device | str = "cpu", exact: bool = False
    ) -> None:
        self.device, self.exact = torch.device(device), exact
        self.cut = trained_cut(source)
        self.model = load_encoder(source, self.device, dedup=False if exact else None)
        self._tables = GrowingTables(self.device)
        self._graphed: dict[Pooling, GraphedVectors] = {}

    @property
    def width(self) -> int:
        """Numbers per vector."""
        return self.model.config.hidden

    def nodes(self, columns: GraphColumns, tables: FeatureTables, pooling: Pooling) -> NodeVectors:
        """Return the vectors of graphs.

        Args:
            columns: any number of graphs; they form one batch unless `exact`.
            tables: feature tables of these graphs, without unused rows.
            pooling: which vectors.
        """
        parts = [self.batch(b, pooling) for b in self.batches(columns, tables)]
        rows = [part.rows for part in parts]
        sizes = [np.diff(part.ptr) for part in parts]
        ptr = np.cumsum(np.concatenate([np.zeros(1, np.int64), *sizes]))
        return NodeVectors(np.concatenate([np.zeros((0, self.width), np.float32), *rows]), ptr)

    def batches(self, columns: GraphColumns, tables: FeatureTables) -> Iterator[HeteroBatch]:
        """Yield batches on the encoder's device: one for all graphs; with `exact` one per graph."""
        if not len(columns):
            return
        if not self.exact:
            columns = self._tables.recode(columns, tables)
            yield HeteroBatch.from_columns(columns, self._tables.tables).to(self.device)
            return
        for i in range(len(columns)):
            graph, own = compact(columns.slice(i, i + 1), tables)
            own_tables = BatchTables.from_tables(own, self.device)
            yield HeteroBatch.from_columns(graph, own_tables).to(self.device)

    @torch.no_grad()
    def batch(self, batch: HeteroBatch, pooling: Pooling) -> NodeVectors:
        """Return the vectors of a batch on the encoder's device."""
        if self.device.type == "cuda" and self.model.config.dedup is not False:
            if pooling not in self._graphed:
                self._graphed[pooling] = GraphedVectors(self.model, pooling)
            rows, ptr = self._graphed[pooling].vectors(batch)
        else:
            rows, ptr = vectors(batch, run_views(self.model, batch, *pooling.views), pooling)
        return NodeVectors(rows.float().cpu().numpy(), ptr.cpu().numpy())
