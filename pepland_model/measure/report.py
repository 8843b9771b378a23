"""``pepland-bench model`` as one document: batch sizes, precisions, formulations."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.loader.measure import device_of
from pepland_data.resources import sample_path
from pepland_data.store.graph_store import open_store
from pepland_model.measure.speed import Settings, ceilings, sweep
from pepland_model.measure.variants import VARIANTS
from pepland_model.network.config import PharmHGTConfig

SLOW_GRAPHS = 32
"""Graphs per batch of formulations that compute every row: on a CPU hundreds take many seconds."""


def report(
    store: str | None,
    sizes: Sequence[int],
    precisions: Sequence[str],
    output: str,
    graphs: int,
    seconds: float,
    baseline: bool,
    device: str,
    say: Callable[[str], Any],
    processor_time: bool = False,
) -> dict[str, Any]:
    """Return figures for each precision and batch size, one row per formulation.

    Args:
        store: folder of a store; None means the bundled sample, for which RDKit is needed.
        sizes: graphs per batch; if there are fewer graphs, all of them.
        precisions: as of `Settings`; one that the device lacks is left out with a reason.
        output: as of `PharmHGTConfig`.
        graphs: most graphs for inference.
        seconds: time for each figure.
        baseline: also measure the published formulation with DGL.
        device: ``auto``, ``cpu`` or ``cuda``.
        say: called with each line of progress.
        processor_time: as of `Settings`.

    Raises:
        InputError: there are no graphs, or the device is not available.
    """
    home = device_of(device)
    source = GraphSource.of(store, graphs)
    measurements: list[dict[str, Any]] = []
    for precision in precisions:
        try:
            settings = Settings(home, precision, PharmHGTConfig(output=output), seconds,
                                processor_time=processor_time)  # fmt: skip
        except InputError as error:
            measurements.append({"precision": precision, "left_out": str(error)})
            continue
        ceiling = ceilings(settings)
        for i, size in enumerate(sizes):
            rows = []
            for variant in VARIANTS:
                slow = home.type == "cpu" and not variant.dedup
                if (slow and i) or (variant.dgl and not baseline):
                    continue
                width = min(SLOW_GRAPHS, size) if slow else size
                parts = source.batches(width, 1 if slow else None, home)
                say(f"{precision}, batches of {parts[0].num_graphs}: {variant.name}")
                rows += sweep([variant], parts, settings, ceiling)
            measurements.append({
                "precision": precision,
                "batch_size": min(size, len(source)),
                "ceilings": {"gflops": round(ceiling.gflops, 1), "gbs": round(ceiling.gbs, 2)},
                "rows": rows,
            })  # fmt: skip
    return {
        "device": str(home), "threads": torch.get_num_threads(), "output": output,
        "clock": "processor" if processor_time else "wall",
        "graphs": len(source),
        "mean_atoms": round(source.mean_atoms, 1),
        "measurements": measurements,
    }  # fmt: skip


@dataclass(frozen=True)
class GraphSource:
    """Graphs to measure on, divided into batches of any size."""

    columns: GraphColumns
    tables: FeatureTables

    @classmethod
    def of(cls, store: str | None, graphs: int) -> GraphSource:
        """Return the first graphs of a store; None means the bundled sample, which needs RDKit."""
        if store is None:
            return cls.from_smiles(sample_smiles()[:graphs])
        return cls.from_store(store, graphs)

    @classmethod
    def from_smiles(cls, texts: Sequence[str]) -> GraphSource:
        """Convert SMILES; this needs RDKit."""
        from pepland_data.chem.featurizer import Featurizer

        converted = Featurizer().convert(list(texts))
        return cls(converted.columns, converted.tables)

    @classmethod
    def from_store(cls, store: str, graphs: int) -> GraphSource:
        """Read the first graphs of a store; InputError if it holds none."""
        opened = open_store(store)
        rows = np.arange(min(graphs, len(opened)))
        if not len(rows):
            raise InputError(f"{store} holds no graphs; there is nothing to measure")
        return cls(opened.gather(rows), opened.tables)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def mean_atoms(self) -> float:
        """Atoms per graph."""
        return float(self.columns.atom_ptr[-1]) / len(self)

    def batches(self, size: int, count: int | None, device: torch.device) -> list[HeteroBatch]:
        """Return batches in order, without a last one that is not full.

        Args:
            size: graphs per batch; if there are fewer graphs, all of them.
            count: most batches; None means all.
            device: device of the batches.
        """
        size = min(size, len(self))
        host = BatchTables.from_tables(self.tables)
        on_device = host.to(device)
        starts = range(0, len(self) - size + 1, size)[:count]
        made = [HeteroBatch.from_columns(self.columns.slice(s, s + size), host) for s in starts]
        return [replace(batch.to(device), tables=on_device) for batch in made]


def sample_smiles() -> list[str]:
    """Return the SMILES of the bundled sample."""
    with sample_path().open(newline="", encoding="utf-8") as lines:
        return [row["smiles"] for row in csv.DictReader(lines)]
