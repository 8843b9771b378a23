"""The peptides of a fine-tuning run: targets from a column, and sets from a recorded split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.random_sets import random_sets
from pepland_data.store.split.recorded import Split, open_split, split_names
from pepland_model.finetune.task_network import Task
from pepland_model.run.config import TrainConfig
from pepland_model.run.run_stores import PARTS, Rows, hold_out, open_sets, store_digest

Values = npt.NDArray[Any]
RANDOM_SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}
MAX_CLASSES = 100
LARGEST = 1e15
"""Largest target; its square still fits into float32."""


@dataclass(frozen=True, eq=False)
class TaskData:
    """Targets and sets of all peptides, which are numbered through all stores."""

    stores: tuple[GraphStore, ...]
    targets: Values
    """[G] float32, NaN if missing; or int64 class, -1 if missing."""
    classes: tuple[str, ...]
    """Names of the classes; empty for regression."""
    sets: dict[str, Rows]
    """Peptides with a target in ``train``, ``valid`` and ``test``; empty sets are left out."""
    split_origin: str
    """Origin of the sets, for people."""

    def subset(self, name: str) -> list[Rows]:
        """Return the rows of a set in each store."""
        bounds = np.cumsum([0, *map(len, self.stores)])
        rows = self.sets[name]
        return [rows[(rows >= a) & (rows < b)] - a for a, b in pairwise(bounds)]

    def task(self, config: TrainConfig) -> Task:
        """Return the task, with mean, deviation or class weights of the training targets."""
        kind, target = config.finetune.task, config.finetune.target
        known = self.targets[self.sets["train"]]
        if kind == "regression":
            std = float(known.std(dtype=np.float64))
            if not std:
                raise InputError(
                    f"all {len(known)} training peptides have {target} {known[0]:g}, so there is "
                    "nothing to learn; choose another --target or --split"
                )
            return Task(kind, target, mean=float(known.mean(dtype=np.float64)), std=std)
        counts = np.bincount(known, minlength=len(self.classes))
        weights = class_weights(config.finetune.class_weights, counts, self.classes)
        return Task(kind, target, self.classes, weights=weights)

    def describe(self) -> dict[str, Any]:
        """Return facts about the data, for people."""
        counts: dict[str, Any] = {f"{name} peptides": len(rows) for name, rows in self.sets.items()}
        missing = np.isnan(self.targets) if not self.classes else self.targets < 0
        counts |= {"without target": int(missing.sum()), "split": self.split_origin}
        stores = ", ".join(str(store.path) for store in self.stores)
        return {"stores": stores, **counts, **({"classes": self.classes} if self.classes else {})}

    def text(self) -> str:
        """Return the description as one line."""
        facts = {k: " ".join(v) if k == "classes" else v for k, v in self.describe().items()}
        return ", ".join(f"{name} {value}" for name, value in facts.items())

    def fingerprint(self) -> dict[str, Any]:
        """Return digests of graphs, sets and targets."""
        rows = b"".join(name.encode() + rows.tobytes() for name, rows in self.sets.items())
        return {
            "stores": [store_digest(store) for store in self.stores],
            "sets": hashlib.sha256(rows).hexdigest(),
            "targets": hashlib.sha256(self.targets.tobytes()).hexdigest(),
        }


def open_task(config: TrainConfig, seed: int) -> TaskData:
    """Return targets and sets of a run for one seed.

    Raises:
        InputError: no such column or split, targets of the wrong kind, nothing to train on.
    """
    opened = [item for path in config.data.shards for item in open_sets(path).items()]
    stores = tuple(store for _, store in opened)
    columns = [column_of(store, config.finetune.target) for store in stores]
    values, classes = targets_of(columns, config.finetune.task, config.finetune.target)
    known = ~np.isnan(values) if not classes else values >= 0
    sets: dict[str, list[Rows]] = {name: [] for name in PARTS}
    origins, start = [], 0
    for part, store in opened:
        found, origin = _sets_of(store, part, config, seed)
        origins.append(origin)
        for name, rows in found.items():
            sets[name].append(start + rows)
        start += len(store)
    joined = {name: np.concatenate([np.zeros(0, np.int64), *rows]) for name, rows in sets.items()}
    kept = {name: rows[known[rows]] for name, rows in joined.items()}
    if len(kept["train"]) < 2:
        raise InputError(
            f"{config.data.shards[0]} has {len(kept['train'])} training peptides with a value of "
            f"{config.finetune.target!r}; expected 2 or more: choose another --target or --split"
        )
    if not len(kept["test"]) and not len(kept["valid"]):
        raise InputError("nothing is held out; record a split with a test set: pepland-data split")
    filled = {name: rows for name, rows in kept.items() if len(rows)}
    return TaskData(stores, values, classes, filled, ", ".join(dict.fromkeys(origins)))


def _sets_of(
    store: GraphStore, part: str, config: TrainConfig, seed: int
) -> tuple[dict[str, Rows], str]:
    """Return the sets of a store and their origin; `part` is the set of a whole store, or ''."""
    if part:
        return {part: np.arange(len(store))}, "folders"
    if config.finetune.folds:
        return fold_sets(store, config, seed)
    wanted = config.finetune.split.replace("{seed}", str(seed))
    if wanted == "default" and wanted not in split_names(store):
        sets = random_sets(store, RANDOM_SHARES, config.data.split_seed)
        split, origin = (
            Split("default", "random", tuple(RANDOM_SHARES), sets, {}),
            "drawn at random",
        )
    else:
        split = open_split(store, wanted)
        origin = f"{split.name} by {split.method}, recorded"
    found = {name: split.rows(name) for name in PARTS if name in split.sets}
    if "train" not in found:
        raise InputError(
            f"split {split.name!r} of {store.path} has no set 'train'; choose another --split"
        )
    if not len(found.get("valid", ())):
        found["train"], found["valid"] = hold_out(found["train"], config.data)
    return found, origin


def fold_sets(store: GraphStore, config: TrainConfig, seed: int) -> tuple[dict[str, Rows], str]:
    """Return the sets of a fold of the cross-validation, and their origin, for people."""
    count, name = config.finetune.folds, config.finetune.split
    shares = {f"fold-{i}": 1 / count for i in range(count)}
    fold, origin = random_sets(store, shares, config.data.split_seed), "drawn at random"
    if name != "default":
        split = open_split(store, name)
        if len(split.sets) != count:
            raise InputError(
                f"split {name!r} of {store.path} has {len(split.sets)} sets and --folds is {count};"
                " record one set per fold: pepland-data split --fractions a=0.2,b=0.2,..."
            )
        fold, origin = split.assignment, f"{name} by {split.method}, recorded"
    number = (seed - config.run.seed) % count
    rest = np.flatnonzero((fold != number) & (fold < count))
    train, valid = hold_out(rest, config.data)
    if count > 2:
        in_next = fold[rest] == (number + 1) % count
        train, valid = rest[~in_next], rest[in_next]
    found = {"train": train, "valid": valid, "test": np.flatnonzero(fold == number)}
    return found, f"fold {number} of {count}, {origin}"


def column_of(store: GraphStore, name: str) -> Values:
    """Return a column of a store; InputError names the columns if it is not among them."""
    if name not in store.columns:
        columns = ", ".join(store.columns) or "none"
        raise InputError(
            f"{store.path} has no column {name!r} to predict; it has {columns}; build the store "
            "from a file with that column"
        )
    return store.columns[name]


def targets_of(columns: Sequence[Values], kind: str, name: str) -> tuple[Values, tuple[str, ...]]:
    """Return the targets of all rows, and the names of the classes.

    Args:
        columns: one per store; numbers, or texts with None for a missing value.
        kind: ``regression`` or ``classification``.
        name: name of the column.
    """
    if kind == "regression":
        return np.concatenate([_numbers(column, name) for column in columns]), ()
    labels = [label for column in columns for label in _labels(column)]
    classes = tuple(sorted({label for label in labels if label}, key=_numerically))
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise InputError(
            f"column {name!r} has {len(classes)} different values; classification needs 2 to "
            f"{MAX_CLASSES}, so choose another --target or --task regression"
        )
    number = {label: i for i, label in enumerate(classes)}
    return np.array([number.get(label, -1) for label in labels], np.int64), classes


def _numbers(column: Values, name: str) -> Values:
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"column {name!r} has values that are not numbers ({error}); regression needs numbers, "
            "so choose another --target or --task classification"
        ) from error
    values[~np.isfinite(values)] = np.nan
    if (largest := np.nanmax(np.abs(values), initial=0.0)) > LARGEST:
        raise InputError(
            f"column {name!r} has a value of {largest:g}; regression needs numbers up to "
            f"{LARGEST:g}, so use the logarithm or another unit"
        )
    return np.asarray(values, np.float32)


def _labels(column: Values) -> list[str]:
    """Return values as texts, '' for a missing value; 1.0 becomes '1'."""
    if column.dtype.kind == "f":
        return ["" if np.isnan(v) else str(int(v)) if v == int(v) else str(v) for v in column]
    return ["" if value is None else str(value) for value in column.tolist()]


def _numerically(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


def class_weights(text: str, counts: Rows, classes: Sequence[str]) -> tuple[float, ...]:
    """Return the weight of each class in the loss.

    Args:
        text: ``balanced`` (all training peptides / number of classes / training peptides of the
            class), ``none``, or comma-separated numbers.
        counts: [C] training peptides of each class.
        classes: names of the classes.
    """
    if text == "none":
        return (1.0,) * len(counts)
    if text == "balanced":
        if not counts.all():
            empty = classes[int(np.argmin(counts))]
            raise InputError(f"class {empty!r} has no training peptide; choose another --split")
        return tuple((counts.sum() / len(counts) / counts).tolist())
    try:
        weights = tuple(float(part) for part in text.split(","))
    except ValueError:
        weights = ()
    if len(weights) != len(counts) or min(weights) < 0 or not max(weights) > 0:
        raise InputError(
            f"class_weights is {text!r}; choose balanced, none, or {len(counts)} numbers for the "
            f"classes {', '.join(classes)}"
        )
    return weights
