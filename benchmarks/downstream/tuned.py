"""Encoders that are trained on the tasks of others, with their published splits.

Every row is what ``pepland-train --task`` makes of a task with its default settings: from random
weights, and from each checkpoint. It learns from train, and valid chooses the epoch; the protocol
of the tasks fits on both. A seed draws the weights and the order of the peptides. Runs lie in the
scratch folder, so a command that is stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.downstream.features import TARGET, task_store
from benchmarks.downstream.tasks import PUBLISHED, Rows, Sets, Task
from pepland_data.files.atomic import file_sha256
from pepland_data.store.split.recorded import UNASSIGNED, Split, write_split
from pepland_model.embed.embed import EmbedInput
from pepland_model.finetune.finetune import finetune
from pepland_model.finetune.predict import predict
from pepland_model.network.model_files import MODEL
from pepland_model.run.config import task_defaults, with_flags
from pepland_model.run.load_encoder import source_folder


@dataclass(frozen=True)
class Tuned:
    """A row of the table: one start for an encoder that is trained on a task."""

    name: str
    source: str
    """Digest of what the figures depend on, beside task, seed and split."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """Settings of ``pepland-train`` that differ from its defaults."""

    def scores(self, task: Task, seed: int, scratch: Path) -> TunedScores:
        """Return what trains this row on a task and predicts."""
        return TunedScores(self, task, seed, scratch)


def all_tuned(checkpoints: list[str], flags: Mapping[str, Any]) -> list[Tuned]:
    """Return the rows: random weights, and each checkpoint.

    Args:
        checkpoints: runs, checkpoints or model folders.
        flags: settings of ``pepland-train`` for all rows.
    """
    settings = json.dumps(flags, sort_keys=True)
    made = [Tuned("untrained, fine-tuned", settings, flags)]
    for path in checkpoints:
        digest = file_sha256(source_folder(path) / MODEL)
        given = {**flags, "init_from": path}
        made.append(Tuned(f"{Path(path).name}, fine-tuned", f"{digest} {settings}", given))
    return made


class TunedScores:
    """Runs of one row, task and seed; splits with the same training rows share a run."""

    def __init__(self, row: Tuned, task: Task, seed: int, scratch: Path) -> None:
        self.row, self.task, self.seed, self.scratch = row, task, seed, scratch

    def of(self, sets: Sets) -> dict[str, npt.NDArray[Any]]:
        """Return the predictions for valid and test, and for test as published figures are made."""
        found = self.predictions(sets["train"], sets["valid"])
        published = self.predictions(*(sets[name] for name in PUBLISHED))
        test = sets["test"]
        return {"valid": found[sets["valid"]], "test": published[test], "clean": found[test]}

    def predictions(self, train: Rows, valid: Rows) -> npt.NDArray[Any]:
        """Return the predictions for all rows of a run on some rows; it is made once."""
        digest = sha256(b"-".join([train.tobytes(), valid.tobytes()])).hexdigest()[:12]
        start = sha256(self.row.source.encode()).hexdigest()[:12]
        name = f"{self.task.name}-{start}-{self.seed}-{digest}"
        out = self.scratch / "runs" / name
        file = out / "all_rows.npz"
        if not file.is_file():
            store = task_store(self.task, self.scratch)
            write_split(store, split_of(digest, len(store), train, valid))
            self.train(out, str(store.path), digest)
            predict(out, EmbedInput(str(store.path)), file)
        return np.load(file)["prediction"].astype(np.float64)  # classes are named 0 and 1

    def train(self, out: Path, store: str, split: str) -> None:
        """Fine-tune in a folder, or go on there."""
        kind = "regression" if self.task.regression else "classification"
        given = {"task": kind, "target": TARGET, "shards": (store,), "out": str(out),
                 "split": split, "seed": self.seed}  # fmt: skip
        summary = finetune(with_flags(task_defaults(kind), {**given, **self.row.flags}))
        if summary["status"] != "finished":
            raise SystemExit("a run was stopped; the same command with --scratch resumes it")


def split_of(name: str, rows: int, train: Rows, valid: Rows) -> Split:
    """Return a split without a test set."""
    assignment = np.full(rows, UNASSIGNED, np.uint8)
    assignment[train], assignment[valid] = 0, 1
    return Split(name, "published", ("train", "valid"), assignment, {})
