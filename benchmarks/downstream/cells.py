"""One fit of LightGBM each, and a file of the fits that are done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.downstream.features import Features, Matrix, task_store
from benchmarks.downstream.tasks import Task
from pepland_model.finetune.metrics import r2

SETTINGS = {"n_estimators": 200, "learning_rate": 0.1, "num_leaves": 15, "max_bin": 63,
            "min_child_samples": 20, "n_jobs": 1, "enable_bundle": False, "force_col_wise": True,
            "bin_construct_sample_cnt": 1000}  # fmt: skip
"""The last three only make it faster: bins of 1,000 rows and no bundles."""
COLUMNS_PER_TREE = 128
"""Each tree sees as many of the columns, drawn at random; so wide vectors do not cost more."""
FIGURES = {True: ("mae", "r2"), False: ("mcc",)}


class Cells:
    """The figures of finished fits, one JSON line each; a line that was cut off is left out.

    Args:
        path: file, created at the first fit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
        if path.is_file():  # the next line must not continue one that was cut off
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        found = map(json.loads, lines)
        self.done = {json.dumps(cell["key"]): cell["figures"] for cell in found}

    def get(self, key: Sequence[Any]) -> dict[str, dict[str, float]] | None:
        """Return the figures of a fit, None where it is not done."""
        return self.done.get(json.dumps(list(key)))

    def put(self, key: Sequence[Any], figures: dict[str, dict[str, float]]) -> None:
        """Add the figures of a fit."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": list(key), "figures": figures}) + "\n")
        self.done[json.dumps(list(key))] = figures


def key_of(task: Task, features: Features, seed: int, split: str) -> list[Any]:
    """Return what the figures of a fit depend on."""
    settings = {**SETTINGS, "columns per tree": COLUMNS_PER_TREE}
    return [task.name, features.name, features.source, seed, split, settings]


def fit_all(
    cells: Cells, task: Task, features: Features, seed: int, splits: Sequence[str], scratch: Path
) -> int:
    """Fit what is not done of a task, row and seed; return how many fits that were."""
    todo = [s for s in splits if cells.get(key_of(task, features, seed, s)) is None]
    if todo:
        x = features.matrix(task, task_store(task, scratch), seed)
    for split in todo:
        cells.put(key_of(task, features, seed, split), both_figures(task, x, split, seed))
    return len(todo)


def both_figures(task: Task, x: Matrix, split: str, seed: int) -> dict[str, dict[str, float]]:
    """Return figures of the validation set, fitted on train, and of the test set, on both."""
    train, valid, test = task.splits[split].values()
    return {
        "valid": figures(task, x, train, valid, seed),
        "test": figures(task, x, np.concatenate([train, valid]), test, seed),
    }


def figures(task: Task, x: Matrix, fitted: Any, scored: Any, seed: int) -> dict[str, float]:
    """Fit LightGBM on some rows, and score others."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.metrics import matthews_corrcoef, mean_absolute_error

    share = min(1.0, COLUMNS_PER_TREE / x.shape[1])
    kind, y = LGBMRegressor if task.regression else LGBMClassifier, task.targets
    model = kind(**SETTINGS, colsample_bytree=share, random_state=seed, verbosity=-1)
    model.fit(x[fitted], y[fitted])
    found = np.asarray(model.predict(x[scored]))
    if not task.regression:
        return {"mcc": float(matthews_corrcoef(y[scored], found))}
    return {"mae": float(mean_absolute_error(y[scored], found)), "r2": r2(y[scored], found)}
