"""The peptides of a fine-tuning run: targets from a column, sets from recorded splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
from pepland_data.store.graph_store import GraphStore, open_store
from pepland_data.store.split.random_sets import random_sets
from pepland_data.store.split.recorded import Split, open_split, split_names
from pepland_model.finetune.task_network import Task
from pepland_model.run.config import TrainConfig
from pepland_model.run.run_data import PARTS, split_rows, store_digest

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[Any]
DRAWN = {"train": 0.8, "valid": 0.1, "test": 0.1}
MAX_CLASSES = 100
LARGEST = 1e15
"""Of a target; its square is still a float32."""


@dataclass(frozen=True, eq=False)
class TaskData:
    """Targets and sets of all peptides; peptides are numbered one store behind the other."""

    stores: tuple[GraphStore, ...]
    targets: Values
    """[G] float32, NaN where unknown; or int64 class, -1 where unknown."""
    classes: tuple[str, ...]
    """Names of the classes; empty for regression."""
    sets: dict[str, Rows]
    """``train``, ``valid`` and ``test``, those that are not empty: peptides with a target."""
    told: str
    """Where the sets come from."""

    def subset(self, name: str) -> list[Rows]:
        """Return the rows of a set in each store."""
        ends = np.cumsum([0, *map(len, self.stores)])
        rows = self.sets[name]
        return [rows[(rows >= a) & (rows < b)] - a for a, b in pairwise(ends)]

    def task(self, config: TrainConfig) -> Task:
        """Return the task with what the training set says of the targets."""
        kind, target = config.finetune.task, config.finetune.target
        known = self.targets[self.sets["train"]]
        if kind == "regression":
            std = float(known.std(dtype=np.float64))
            if not std:
                raise InputError(
                    f"all {len(known)} training peptides have {target} {known[0]:g}; there is "
                    "nothing to learn from one value"
                )
            return Task(kind, target, mean=float(known.mean(dtype=np.float64)), std=std)
        counts = np.bincount(known, minlength=len(self.classes))
        weights = class_weights(config.finetune.class_weights, counts, self.classes)
        return Task(kind, target, self.classes, weights=weights)

    def describe(self) -> dict[str, Any]:
        """Return what people want to know."""
        counts: dict[str, Any] = {f"{name} peptides": len(rows) for name, rows in self.sets.items()}
        missing = np.isnan(self.targets) if not self.classes else self.targets < 0
        counts |= {"without target": int(missing.sum()), "split": self.told}
        stores = ", ".join(str(store.path) for store in self.stores)
        return {"stores": stores, **counts, **({"classes": self.classes} if self.classes else {})}

    def text(self) -> str:
        """Return one line."""
        told = {k: " ".join(v) if k == "classes" else v for k, v in self.describe().items()}
        return ", ".join(f"{name} {value}" for name, value in told.items())

    def fingerprint(self) -> dict[str, Any]:
        """Return digests of graphs, sets and targets."""
        rows = b"".join(name.encode() + rows.tobytes() for name, rows in self.sets.items())
        return {
            "stores": [store_digest(store) for store in self.stores],
            "sets": hashlib.sha256(rows).hexdigest(),
            "targets": hashlib.sha256(self.targets.tobytes()).hexdigest(),
        }


def open_task(config: TrainConfig, seed: int) -> TaskData:
    """Open the stores of a run and their sets for one seed.

    Raises:
        InputError: no such column or split, targets of the wrong kind, nothing to train on.
    """
    opened = [one_store for path in config.data.shards for one_store in stores_of(path)]
    stores = tuple(store for store, _ in opened)
    columns = [column_of(store, config.finetune.target) for store in stores]
    values, classes = targets_of(columns, config.finetune.task, config.finetune.target)
    known = ~np.isnan(values) if not classes else values >= 0
    sets: dict[str, list[Rows]] = {name: [] for name in PARTS}
    told, start = [], 0
    for store, part in opened:
        found, how = _sets_of(store, part, config, seed)
        told.append(how)
        for name, rows in found.items():
            sets[name].append(start + rows)
        start += len(store)
    joined = {name: np.concatenate([np.zeros(0, np.int64), *rows]) for name, rows in sets.items()}
    kept = {name: rows[known[rows]] for name, rows in joined.items()}
    if len(kept["train"]) < 2:
        raise InputError(
            f"{config.data.shards[0]} has {len(kept['train'])} training peptides with a "
            f"value of {config.finetune.target!r}; expected 2 or more"
        )
    if not len(kept["test"]) and not len(kept["valid"]):
        raise InputError("nothing is held out; record a split with a test set: pepland-data split")
    present = {name: rows for name, rows in kept.items() if len(rows)}
    return TaskData(stores, values, classes, present, ", ".join(dict.fromkeys(told)))


def stores_of(path: str) -> list[tuple[GraphStore, str]]:
    """Return a store with '', or the stores of a folder with the name of their set."""
    folder = Path(path)
    if not (folder / "manifest.json").is_file() and (folder / "train").is_dir():
        return [(open_store(folder / name), name) for name in PARTS if (folder / name).is_dir()]
    return [(open_store(folder), "")]


def _sets_of(
    store: GraphStore, part: str, config: TrainConfig, seed: int
) -> tuple[dict[str, Rows], str]:
    if part:
        return {part: np.arange(len(store))}, "folders"
    wanted = config.finetune.split.replace("{seed}", str(seed))
    if wanted == "default" and wanted not in split_names(store):
        sets = random_sets(store, DRAWN, config.data.split_seed)
        split, told = Split("default", "random", tuple(DRAWN), sets, {}), "drawn at random"
    else:
        split = open_split(store, wanted)
        told = f"{split.name} by {split.method}, recorded"
    found = {name: split.rows(name) for name in PARTS if name in split.sets}
    if "train" not in found:
        raise InputError(f"split {split.name!r} of {store.path} has no set 'train'")
    if not len(found.get("valid", ())):
        train = found["train"]
        kept, held = split_rows(len(train), config.data.valid_fraction, config.data.split_seed)
        found |= {"train": train[kept], "valid": train[held]}
    return found, told


def column_of(store: GraphStore, name: str) -> Values:
    """Return a column; InputError names those there are."""
    if name not in store.columns:
        there = ", ".join(store.columns) or "none"
        raise InputError(
            f"{store.path} has no column {name!r} to predict; it has {there}; build the store "
            "from a file with that column"
        )
    return store.columns[name]


def targets_of(columns: Sequence[Values], kind: str, name: str) -> tuple[Values, tuple[str, ...]]:
    """Return the targets of all rows, and the names of the classes.

    Args:
        columns: one a store; numbers, or texts with None where there is none.
        kind: ``regression`` or ``classification``.
        name: of the column.
    """
    if kind == "regression":
        return np.concatenate([_numbers(column, name) for column in columns]), ()
    labels = [label for column in columns for label in _labels(column)]
    classes = tuple(sorted({label for label in labels if label}, key=_numerically))
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise InputError(
            f"column {name!r} has {len(classes)} different values; classification needs 2 to "
            f"{MAX_CLASSES}"
        )
    number = {label: i for i, label in enumerate(classes)}
    return np.array([number.get(label, -1) for label in labels], np.int64), classes


def _numbers(column: Values, name: str) -> Values:
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"column {name!r} is not all numbers ({error}); regression needs numbers"
        ) from error
    values[~np.isfinite(values)] = np.nan
    if (largest := np.nanmax(np.abs(values), initial=0.0)) > LARGEST:
        raise InputError(
            f"column {name!r} has a value of {largest:g}; regression computes with numbers up to "
            f"{LARGEST:g}, so take the logarithm or another unit"
        )
    return np.asarray(values, np.float32)


def _labels(column: Values) -> list[str]:
    """Return values as texts, '' where there is none; 1.0 is the class 1."""
    if column.dtype.kind == "f":
        return ["" if np.isnan(v) else str(int(v)) if v == int(v) else str(v) for v in column]
    return ["" if value is None else str(value) for value in column.tolist()]


def _numerically(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


def class_weights(text: str, counts: Rows, classes: Sequence[str]) -> tuple[float, ...]:
    """Return what an error in each class costs.

    Args:
        text: ``balanced`` (training peptides / classes / those of the class), ``none``, or numbers.
        counts: [C] training peptides of each class.
        classes: their names.
    """
    if text == "none":
        return (1.0,) * len(counts)
    if text == "balanced":
        if not counts.all():
            empty = classes[int(np.argmin(counts))]
            raise InputError(f"class {empty!r} has no training peptide; use another split")
        return tuple((counts.sum() / len(counts) / counts).tolist())
    try:
        weights = tuple(float(part) for part in text.split(","))
    except ValueError:
        weights = ()
    if len(weights) != len(counts) or min(weights) < 0 or not max(weights) > 0:
        raise InputError(
            f"class_weights is {text!r}; expected balanced, none, or {len(counts)} numbers for "
            f"the classes {', '.join(classes)}"
        )
    return weights
