"""What boosted trees make of fragment counts, on the same peptides: the baseline of a fine-tuning.

Features are the number of each fragment in a peptide, and its numbers of atoms and fragments. The
trees are scikit-learn's histogram gradient boosting, stopped early on the validation set.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.store.graph_store import GraphStore
from pepland_data.store.summary import most_frequent
from pepland_model.finetune.metrics import Metrics, metrics_of, nan_as_none
from pepland_model.finetune.task_data import TaskData

MOST_FRAGMENTS = 1000
"""Fragments that are counted: the most frequent ones of the stores."""
MOST_TARGETS = 10
"""More targets have no baseline: each of them has trees of its own."""
NOT_INSTALLED = (
    "no baseline of boosted trees: scikit-learn is not installed; pip install pepland-data[train]"
)


def has_trees() -> bool:
    """Return whether scikit-learn is installed."""
    return importlib.util.find_spec("sklearn") is not None


def why_none(targets: int) -> str:
    """Return a sentence if so many targets have no baseline here, else ''."""
    if targets > MOST_TARGETS:
        return f"no baseline of boosted trees: {targets} targets, more than {MOST_TARGETS}"
    return "" if has_trees() else NOT_INSTALLED


def baseline(data: TaskData, balanced: bool, seed: int) -> dict[str, dict[str, float | None]]:
    """Return set -> metrics that the trees reach; empty if the training set has one class.

    Args:
        data: targets and sets.
        balanced: whether each class has the same total weight.
        seed: random seed of the trees.
    """
    if data.classes and len(np.unique(data.targets[data.sets["train"]])) < 2:
        return {}
    found = boosted_trees(composition(data.stores), data, balanced, seed)
    return {name: nan_as_none(metrics) for name, metrics in found.items()}


def composition(stores: tuple[GraphStore, ...]) -> npt.NDArray[np.float32]:
    """Return fragment counts, and numbers of atoms and fragments. [G, fragments + 2] float32."""
    place = {name: i for i, name in enumerate(most_frequent(stores, MOST_FRAGMENTS))}
    return np.concatenate([_counted(store, place) for store in stores])


def _counted(store: GraphStore, place: dict[str, int]) -> npt.NDArray[np.float32]:
    """Return the rows of one store; `place` has the column of each fragment that is counted."""
    columns = store.gather(np.arange(len(store)))
    column = np.array([place.get(name, -1) for name in store.tables.fragment_smiles], np.int64)
    column = column[columns.fragment_code]
    owner = np.repeat(np.arange(len(columns)), columns.sizes("fragment"))
    counts = np.zeros((len(columns), len(place)), np.float32)
    np.add.at(counts, (owner[column >= 0], column[column >= 0]), 1)
    return np.column_stack([counts, columns.sizes("atom"), columns.sizes("fragment")])


def boosted_trees(
    features: npt.NDArray[np.float32], data: TaskData, balanced: bool, seed: int
) -> dict[str, Metrics]:
    """Fit the trees on the training set; return set -> metrics for the other sets.

    Args:
        features: [G, F] of `composition`.
        data: targets and sets.
        balanced: whether each class has the same total weight.
        seed: random seed of the trees.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if data.classes:
        weight = "balanced" if balanced else None
        make = partial(HistGradientBoostingClassifier, class_weight=weight)
        trees = _fitted(make, features, data.targets, data, seed)
        predicted = np.zeros((len(features), len(data.classes)))  # a class that was not seen has 0
        predicted[:, trees.classes_] = trees.predict_proba(features)
    else:
        predicted = np.stack([
            _fitted(HistGradientBoostingRegressor, features, y, data, seed).predict(features)
            if np.isfinite(y[data.sets["train"]]).any() else np.zeros(len(features))
            for y in data.targets.T
        ], 1).astype(np.float64)  # fmt: skip
    return {
        name: metrics_of(data.targets[rows], predicted[rows], data.classes)
        for name, rows in data.sets.items()
        if name != "train"
    }


def _fitted(
    make: Callable[..., Any], x: npt.NDArray[np.float32], y: npt.NDArray[Any], data: TaskData,
    seed: int,
) -> Any:  # fmt: skip
    """Return trees fitted to the known values of a target [G], stopped early where possible."""
    settings: dict[str, Any] = {"learning_rate": 0.05, "max_iter": 500, "random_state": seed}
    held: dict[str, Any] = {}
    sets = data.sets["train"], data.sets.get("valid", np.zeros(0, np.int64))
    train, valid = (rows[~np.isnan(y[rows])] for rows in sets)
    if data.classes:
        valid = valid[np.isin(y[valid], y[train])]
    if len(valid):
        settings |= {"early_stopping": True, "n_iter_no_change": 20}
        held = {"X_val": x[valid], "y_val": y[valid]}
    return make(**settings).fit(x[train], y[train], **held)
