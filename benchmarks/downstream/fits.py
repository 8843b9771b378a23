"""LightGBM on frozen vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from benchmarks.downstream.features import Features, Matrix, task_store
from benchmarks.downstream.tasks import PUBLISHED, Rows, Sets, Task, joined

SETTINGS = {"n_estimators": 200, "learning_rate": 0.1, "num_leaves": 15, "max_bin": 63,
            "min_child_samples": 20, "n_jobs": 1, "enable_bundle": False, "force_col_wise": True,
            "bin_construct_sample_cnt": 1000}  # fmt: skip
"""The last three only make it faster: bins of 1,000 rows and no bundles."""
COLUMNS_PER_TREE = 128
"""Each tree sees as many of the columns, drawn at random; so wide vectors do not cost more."""


@dataclass(frozen=True)
class Frozen:
    """A row of the table: LightGBM on one kind of numbers."""

    features: Features

    @property
    def name(self) -> str:
        """Name of the features."""
        return self.features.name

    @property
    def source(self) -> list[Any]:
        """What the figures depend on, beside task, seed and split."""
        return [self.features.source, {**SETTINGS, "columns per tree": COLUMNS_PER_TREE}]

    def scores(self, task: Task, seed: int, scratch: Path) -> Fits:
        """Return what fits and predicts."""
        return Fits(task, self.features.matrix(task, task_store(task, scratch), seed), seed)


class Fits:
    """LightGBM on one matrix; splits with the same training rows share a model.

    The protocol fits on train and valid for the test set; figures of valid, which may choose
    between rows, are fitted on train.
    """

    def __init__(self, task: Task, x: Matrix, seed: int) -> None:
        self.task, self.x, self.seed = task, x, seed
        self._models: dict[bytes, Any] = {}

    def of(self, sets: Sets) -> dict[str, npt.NDArray[Any]]:
        """Return the predictions for valid and test, and for test as published figures are made."""
        test = self.x[sets["test"]]
        return {
            "valid": self.model(sets["train"]).predict(self.x[sets["valid"]]),
            "test": self.model(joined(sets, *PUBLISHED)).predict(test),
            "clean": self.model(joined(sets, "train", "valid")).predict(test),
        }

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
