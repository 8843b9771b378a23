"""Tasks of others with their published splits.

``c-cpp``, ``nc-cpp``, ``c-antiviral``: IBM/PeptideGeneralizationBenchmarks (MIT; J Cheminf 2025,
doi 10.1186/s13321-025-01115-z). Its protocol counts the thresholds that are multiples of 0.1, and
``random``, where the test set has at least 18.5 % of the rows. ``permeability``: CycPeptMPDB with
the ten random splits of Gobliu/BenchmarkCycPeptMP (PMC12392647).
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

SETS = ("train", "valid", "test")
CLASSIFIED = ("nc-cpp", "c-cpp", "c-antiviral")
TASKS = (*CLASSIFIED, "permeability")
LEAST_TEST_SHARE = 0.185


@dataclass(frozen=True, eq=False)
class Task:
    """The rows of a task."""

    name: str
    file: Path
    """CSV with a column ``smiles``."""
    smiles: list[str]
    targets: npt.NDArray[np.float64]
    """[N] label 0 or 1, or log permeability."""
    splits: dict[str, dict[str, npt.NDArray[np.int64]]]
    """Row numbers of each set of each split."""

    @property
    def regression(self) -> bool:
        """Whether the targets are numbers."""
        return self.name not in CLASSIFIED


def read_task(name: str, folder: Path) -> Task:
    """Read a task and the splits that count."""
    file = folder / f"{name}.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    classified = name in CLASSIFIED
    targets = np.array([float(row["label" if classified else "pampa"]) for row in rows])
    if classified:
        splits = partitions(folder / f"{name}.partitions.json", len(rows))
    else:
        splits = {key: by_column(rows, key) for key in rows[0] if key.startswith("split")}
    return Task(name, file, [row["smiles"] for row in rows], targets, splits)


def partitions(file: Path, rows: int) -> dict[str, dict[str, npt.NDArray[np.int64]]]:
    """Return the partitions of a file that the protocol counts."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return {
        threshold: {name: np.array(sets[name], np.int64) for name in SETS}
        for threshold, sets in found.items()
        if is_tenth(threshold) and len(sets["test"]) >= LEAST_TEST_SHARE * rows
    }


def is_tenth(threshold: str) -> bool:
    """Return whether a threshold is ``random`` or a multiple of 0.1."""
    return threshold == "random" or abs(10 * float(threshold) - round(10 * float(threshold))) < 1e-9


def by_column(rows: list[dict[str, str]], key: str) -> dict[str, npt.NDArray[np.int64]]:
    """Return the sets that a column names."""
    named = np.array([row[key] for row in rows])
    return {name: np.flatnonzero(named == name) for name in SETS}
