"""``pepland-bench model`` as one document: batch sizes, precisions, formulations."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import FeatureTables
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
    """Return figures for each precision and batch size, one row a formulation.

    Args:
        store: folder of a store; None means the bundled sample, for which RDKit is needed.
        sizes: graphs per batch; where there are fewer graphs, all of them.
        precisions: as of `Settings`; one the device has not is left out with a reason.
        output: as of `PharmHGTConfig`.
        graphs: to run inference on.
        seconds: for each figure.
        baseline: measure the published formulation with DGL too.
        device: ``auto``, ``cpu`` or ``cuda``.
        say: takes a line of progress.
        processor_time: as of `Settings`.

    Raises:
        InputError: no graphs, or a device that is not there.
    """
    home = device_of(device)
    source = GraphSource(store, graphs)
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


def device_of(name: str) -> torch.device:
    """Return the device of a name; InputError where it is not there."""
    there = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if there else "cpu")
    if name != "cpu" and not (name.startswith("cuda") and there):
        raise InputError(f"device {name!r} is not there; use --device cpu")
    return torch.device(name)


class GraphSource:
    """Graphs to measure on, cut into batches of any size.

    Args:
        store: folder of a store; None means the bundled sample, for which RDKit is needed.
        graphs: the first of them that are taken.

    Raises:
        InputError: no graphs.
    """

    def __init__(self, store: str | None, graphs: int) -> None:
        if store is None:
            from pepland_data.chem.featurizer import Featurizer

            converted = Featurizer().convert(sample_smiles()[:graphs])
            self.columns, self.tables = converted.columns, converted.tables
        else:
            opened = open_store(store)
            rows = np.arange(min(graphs, len(opened)))
            if not len(rows):
                raise InputError(f"{store} holds no graphs; there is nothing to measure")
            self.columns, self.tables = opened.gather(rows), opened.tables

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def mean_atoms(self) -> float:
        """Atoms per graph."""
        return float(self.columns.atom_ptr[-1]) / len(self)

    def batches(self, size: int, count: int | None, device: torch.device) -> list[HeteroBatch]:
        """Return batches in order; one that is not full is left out.

        Args:
            size: graphs per batch; all of them where there are fewer.
            count: batches at most; None means all.
            device: of the batches.
        """
        return batches_of(self.columns, self.tables, size, count, device)


def batches_of(
    columns: GraphColumns, tables: FeatureTables, size: int, count: int | None,
    device: torch.device,
) -> list[HeteroBatch]:  # fmt: skip
    """Return graphs as batches of one set of tables, see `GraphSource.batches`."""
    size = min(size, len(columns))
    host, there = BatchTables.from_tables(tables), BatchTables.from_tables(tables, device)
    starts = range(0, len(columns) - size + 1, size)[:count]
    made = [HeteroBatch.from_columns(columns.slice(s, s + size), host) for s in starts]
    return [replace(batch.to(device), tables=there) for batch in made]


def sample_smiles() -> list[str]:
    """Return the peptides that come with the package."""
    with sample_path().open(newline="") as lines:
        return [row["smiles"] for row in csv.DictReader(lines)]
