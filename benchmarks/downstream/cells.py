"""One fit of LightGBM each, and a file of the fits that are done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.downstream.features import Features, Matrix, task_store
from benchmarks.downstream.tasks import Task
from pepland_model.finetune.metrics import r2

Rows = npt.NDArray[np.int64]
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
        fits = Fits(task, features.matrix(task, task_store(task, scratch), seed), seed)
    for split in todo:
        train, valid, test = task.splits[split].values()
        found = {
            "valid": fits.figures(train, valid),
            "test": fits.figures(np.concatenate([train, valid]), test),
        }
        cells.put(key_of(task, features, seed, split), found)
    return len(todo)


class Fits:
    """LightGBM on one matrix; splits with the same training rows share a model."""

    def __init__(self, task: Task, x: Matrix, seed: int) -> None:
        self.task, self.x, self.seed = task, x, seed
        self._models: dict[bytes, Any] = {}

    def figures(self, fitted: Rows, scored: Rows) -> dict[str, float]:
        """Fit some rows, and score others."""
        from sklearn.metrics import matthews_corrcoef, mean_absolute_error

        found, y = np.asarray(self.model(fitted).predict(self.x[scored])), self.task.targets[scored]
        if not self.task.regression:
            return {"mcc": float(matthews_corrcoef(y, found))}
        return {"mae": float(mean_absolute_error(y, found)), "r2": r2(y, found)}

    def model(self, fitted: Rows) -> Any:
        """Return the model of some rows."""
        from lightgbm import LGBMClassifier, LGBMRegressor

        if fitted.tobytes() not in self._models:
            kind = LGBMRegressor if self.task.regression else LGBMClassifier
            share = min(1.0, COLUMNS_PER_TREE / self.x.shape[1])
            model = kind(**SETTINGS, colsample_bytree=share, random_state=self.seed, verbosity=-1)
            model.fit(self.x[fitted], self.task.targets[fitted])
            self._models[fitted.tobytes()] = model
        return self._models[fitted.tobytes()]
