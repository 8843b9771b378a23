"""Graphs to vectors, for `Embedder` and the command ``pepland-embed``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.graph.columns import GraphColumns, compact
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.embed.growing_tables import GrowingTables
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.cuda_graph import GraphedVectors
from pepland_model.network.model_files import VOCABULARY
from pepland_model.network.pooling import Pooling, pointers_of, run_views, vectors
from pepland_model.network.readout import fragment_counts, rounds_names, rounds_vectors
from pepland_model.run.load_encoder import load_encoder, source_folder, trained_cut


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
        self.vocabulary = trained_vocabulary(source)
        """Fragments that the readout ``full`` counts; None if the checkpoint names none."""
        self.model = load_encoder(source, self.device, dedup=False if exact else None)
        self._tables = GrowingTables(self.device)
        self._graphed: dict[Pooling, GraphedVectors] = {}
        self._labels: tuple[FeatureTables, Vocabulary, Tensor] | None = None

    @property
    def width(self) -> int:
        """Numbers per vector of the readout ``mean``, and per node."""
        return self.model.config.hidden

    def width_of(self, pooling: Pooling) -> int:
        """Return how many numbers a vector has; `names` says what it raises."""
        return self.width if pooling.readout == "mean" else len(self.names(pooling))

    def names(self, pooling: Pooling) -> tuple[str, ...]:
        """Return the name of each number of a vector.

        Raises:
            InputError: the readout is ``full``, and there is no vocabulary.
        """
        if pooling.readout == "full" and self.vocabulary is None:
            raise InputError(
                "the readout full counts the fragments of a vocabulary, and the checkpoint has no "
                f"{VOCABULARY}; embed a store, or choose the readout rounds"
            )
        return names_of(pooling, self.model.config, self.vocabulary)

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
        none = np.zeros((0, self.width_of(pooling)), np.float32)
        return NodeVectors(np.concatenate([none, *rows]), ptr)

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
        if pooling.readout != "mean":
            rows = self._rounds(batch, pooling)
            ptr = pointers_of(batch, pooling)
        elif self.device.type == "cuda" and self.model.config.dedup is not False:
            if pooling not in self._graphed:
                self._graphed[pooling] = GraphedVectors(self.model, pooling)
            rows, ptr = self._graphed[pooling].vectors(batch)
        else:
            rows, ptr = vectors(batch, run_views(self.model, batch, *pooling.views), pooling)
        return NodeVectors(rows.float().cpu().numpy(), ptr.cpu().numpy())

    def _rounds(self, batch: HeteroBatch, pooling: Pooling) -> Tensor:
        """Return the vectors of the readout ``rounds`` or ``full``. [G, w]."""
        out = run_views(self.model, batch, *pooling.views, rounds=True)
        vectors = rounds_vectors(batch, out, pooling.view)
        if self.vocabulary is None or pooling.readout == "rounds":
            return vectors
        labels = self._labels_of(batch, self.vocabulary)
        counts = fragment_counts(batch, labels, len(self.vocabulary) + 1)
        return torch.cat([vectors, counts], 1)

    def _labels_of(self, batch: HeteroBatch, vocabulary: Vocabulary) -> Tensor:
        """Return the label of each row of the batch's fragment table. [Uf] int64."""
        host = batch.tables.host
        if self._labels is None or self._labels[0] is not host or self._labels[1] != vocabulary:
            labels = torch.from_numpy(vocabulary.labels(host.fragment_smiles))
            self._labels = (host, vocabulary, labels.to(batch.device))
        return self._labels[2]


@lru_cache(maxsize=16)
def names_of(
    pooling: Pooling, config: PharmHGTConfig, vocabulary: Vocabulary | None
) -> tuple[str, ...]:
    """Return the name of each number of a vector of level ``peptide``, or of a node's vector."""
    if pooling.readout == "mean":
        return tuple(str(k) for k in range(config.hidden))
    names = rounds_names(pooling.view, config.rounds, config.hidden)
    if vocabulary is None or pooling.readout == "rounds":
        return tuple(names)
    return (*names, *(f"fragment {s}" for s in vocabulary.fragments), "other fragments")


def trained_vocabulary(source: str | Path) -> Vocabulary | None:
    """Return the vocabulary that an encoder was trained with; None if its folder has none."""
    path = source_folder(source) / VOCABULARY
    return Vocabulary.from_file(path) if path.is_file() else None
