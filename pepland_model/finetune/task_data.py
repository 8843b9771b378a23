"""The peptides of a fine-tuning run: targets from a column, and sets from a recorded split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from pepland_data.errors import InputError
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.random_sets import random_sets
from pepland_data.store.split.recorded import Split, open_split, split_names
from pepland_model.finetune.targets import Values, read_targets, target_names
from pepland_model.finetune.task_network import Task
from pepland_model.run.config import TrainConfig
from pepland_model.run.run_stores import PARTS, Rows, hold_out, open_sets, store_digest

RANDOM_SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


@dataclass(frozen=True, eq=False)
class TaskData:
    """Targets and sets of all peptides, which are numbered through all stores."""

    stores: tuple[GraphStore, ...]
    names: tuple[str, ...]
    """The T columns that are predicted."""
    targets: Values
    """[G, T] float32, NaN if missing; or [G] int64 class, -1 if missing."""
    classes: tuple[str, ...]
    """Names of the classes; empty for regression."""
    sets: dict[str, Rows]
    """Peptides with any target in ``train``, ``valid`` and ``test``; empty sets are left out."""
    split_origin: str
    """Origin of the sets, for people."""

    def subset(self, name: str) -> list[Rows]:
        """Return the rows of a set in each store."""
        bounds = np.cumsum([0, *map(len, self.stores)])
        rows = self.sets[name]
        return [rows[(rows >= a) & (rows < b)] - a for a, b in pairwise(bounds)]

    def task(self, config: TrainConfig) -> Task:
        """Return the task, with means, deviations or class weights of the training targets."""
        kind = config.finetune.task
        known = self.targets[self.sets["train"]]
        if kind == "classification":
            counts = np.bincount(known, minlength=len(self.classes))
            weights = class_weights(config.finetune.class_weights, counts, self.classes)
            return Task(kind, self.names, self.classes, weights=weights)
        each = [column[~np.isnan(column)].astype(np.float64) for column in known.T]
        spread = [float(column.std()) if len(column) else 0.0 for column in each]
        if not any(spread):
            raise InputError(
                f"all {len(known)} training peptides have {self.names[0]} {known[0, 0]:g}, so "
                "there is nothing to learn; choose another --target or --split"
            )
        mean = tuple(float(column.mean()) if len(column) else 0.0 for column in each)
        return Task(kind, self.names, mean=mean, std=tuple(one or 1.0 for one in spread))

    def known(self) -> Values:
        """Return whether each peptide has a target. [G] bool."""
        return np.asarray(self.targets >= 0 if self.classes else np.isfinite(self.targets).any(1))

    def describe(self) -> dict[str, Any]:
        """Return facts about the data, for people."""
        counts: dict[str, Any] = {f"{name} peptides": len(rows) for name, rows in self.sets.items()}
        counts |= {"without target": int((~self.known()).sum()), "split": self.split_origin}
        counts |= {"targets": self.names} if len(self.names) > 1 else {}
        stores = ", ".join(str(store.path) for store in self.stores)
        return {"stores": stores, **counts, **({"classes": self.classes} if self.classes else {})}

    def text(self) -> str:
        """Return the description as one line."""
        facts = {k: " ".join(v) if type(v) is tuple else v for k, v in self.describe().items()}
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
    names = target_names(stores, config.finetune.target, config.finetune.task)
    values, classes = read_targets(stores, names, config.finetune.task)
    sets: dict[str, list[Rows]] = {name: [] for name in PARTS}
    origins, start = [], 0
    for part, store in opened:
        found, origin = _sets_of(store, part, config, seed)
        origins.append(origin)
        for name, rows in found.items():
            sets[name].append(start + rows)
        start += len(store)
    joined = {name: np.concatenate([np.zeros(0, np.int64), *rows]) for name, rows in sets.items()}
    data = TaskData(stores, names, values, classes, joined, ", ".join(dict.fromkeys(origins)))
    known = data.known()
    kept = {name: rows[known[rows]] for name, rows in joined.items()}
    if len(kept["train"]) < 2:
        raise InputError(
            f"{config.data.shards[0]} has {len(kept['train'])} training peptides with a value of "
            f"{config.finetune.target!r}; expected 2 or more: choose another --target or --split"
        )
    if not len(kept["test"]) and not len(kept["valid"]):
        raise InputError("nothing is held out; record a split with a test set: pepland-data split")
    return replace(data, sets={name: rows for name, rows in kept.items() if len(rows)})


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
