"""Tasks of others with their published splits.

``c-cpp``, ``nc-cpp``, ``c-antiviral``: IBM/PeptideGeneralizationBenchmarks (MIT; J Cheminf 2025,
doi 10.1186/s13321-025-01115-z). Its protocol counts the thresholds that are multiples of 0.1, and
``random``, where the test set has at least 18.5 % of the rows. Its lists ``train`` and ``valid``
are places among the rows that are left when the test rows are taken out; that is how the program
behind them makes them (IBM/Hestia-GOOD, ``calculate_partitions``). Its evaluation takes them for
numbers of rows (``rep_transfer/evaluation.py``), so most test rows are training rows there.
`as_meant` has the sets as they were made, `PUBLISHED` the lists as that evaluation reads them.
``permeability``: CycPeptMPDB with the ten random splits of Gobliu/BenchmarkCycPeptMP (PMC12392647).
Its protocol, and so its published figures, count every value below -8 as -8 (in its repository,
``DataProcessor/AddingLabel.py``). 284 of the 5,826 values are lower; most of them are the -10 that
stands for "not detected".
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_model.finetune.metrics import mae, r2

SETS = ("train", "valid", "test")
PUBLISHED = ("published train", "published valid")
"""The lists as the published evaluation reads them; they share rows with ``test``."""
CLASSIFIED = ("nc-cpp", "c-cpp", "c-antiviral")
TASKS = (*CLASSIFIED, "permeability")
LEAST_TEST_SHARE = 0.185
LEAST_PERMEABILITY = -8.0
FIGURES = {True: ("mae", "r2"), False: ("mcc",)}
"""Regression or not -> figures."""
Rows = npt.NDArray[np.int64]
Sets = dict[str, Rows]
"""Row numbers of each set."""


@dataclass(frozen=True, eq=False)
class Task:
    """The rows of a task."""

    name: str
    smiles: list[str]
    targets: npt.NDArray[np.float64]
    """[N] label 0 or 1, or log permeability."""
    splits: dict[str, Sets]

    @property
    def regression(self) -> bool:
        """Whether the targets are numbers."""
        return self.name not in CLASSIFIED

    def figures(self, rows: Rows, predictions: npt.NDArray[Any]) -> dict[str, float]:
        """Return how good the predictions for some rows are: MCC, or MAE and R2."""
        from sklearn.metrics import matthews_corrcoef

        y = self.targets[rows]
        if not self.regression:
            return {"mcc": float(matthews_corrcoef(y, predictions))}
        return {"mae": mae(y, predictions), "r2": r2(y, predictions)}

    def leak(self, split: str) -> float:
        """Return the share of the test rows of a split that published figures were trained on."""
        sets = self.splits[split]
        return float(np.isin(sets["test"], joined(sets, *PUBLISHED)).mean())


def read_task(name: str, folder: Path) -> Task:
    """Read a task and the splits that count."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    smiles = [row["smiles"] for row in rows]
    if name in CLASSIFIED:
        splits = partitions(folder / f"{name}.partitions.json", len(rows))
        return Task(name, smiles, np.array([float(row["label"]) for row in rows]), splits)
    splits = {key: by_column(rows, key) for key in rows[0] if key.startswith("split")}
    measured = np.array([float(row["pampa"]) for row in rows])
    return Task(name, smiles, np.maximum(measured, LEAST_PERMEABILITY), splits)


def joined(sets: Sets, *names: str) -> Rows:
    """Return the rows of some sets, one set after the other."""
    return np.concatenate([sets[name] for name in names])


def partitions(file: Path, rows: int) -> dict[str, Sets]:
    """Return the partitions of a file that the protocol counts."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return {
        threshold: as_meant({name: np.array(sets[name], np.int64) for name in SETS}, rows)
        for threshold, sets in found.items()
        if is_tenth(threshold) and len(sets["test"]) >= LEAST_TEST_SHARE * rows
    }


def as_meant(lists: Sets, rows: int) -> Sets:
    """Return the sets of a partition as they were made, and those of `PUBLISHED`.

    Lists that are not the places of all rows but those of the test set are numbers of rows; those
    of the test set are taken out.

    Args:
        lists: the lists of the file.
        rows: number of rows of the task.
    """
    test = lists["test"]
    given = {name: lists[name] for name in SETS[:2]}
    rest = np.setdiff1d(np.arange(rows), test)
    if np.array_equal(np.sort(joined(given, *given)), np.arange(len(rest))):
        made = {name: rest[places] for name, places in given.items()}
    else:
        made = {name: found[~np.isin(found, test)] for name, found in given.items()}
    return {**made, "test": test, **dict(zip(PUBLISHED, given.values(), strict=True))}


def is_tenth(threshold: str) -> bool:
    """Return whether a threshold is ``random`` or a multiple of 0.1."""
    return threshold == "random" or abs(10 * float(threshold) - round(10 * float(threshold))) < 1e-9


def by_column(rows: list[dict[str, str]], key: str) -> Sets:
    """Return the sets that a column names."""
    named = np.array([row[key] for row in rows])
    return as_meant({name: np.flatnonzero(named == name) for name in SETS}, len(rows))
