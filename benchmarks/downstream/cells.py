"""The figures of a row of the table on one split each, and a file of those that are done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from benchmarks.downstream.tasks import Sets, Task

PARTS = {"valid": "valid", "test": "test", "clean": "test"}
"""Part of the figures -> set that is predicted; ``test`` is trained on the published lists as they
are read in the published figures, ``clean`` and ``valid`` on the sets as they were made."""
Figures = dict[str, dict[str, float]]
"""Part -> figure -> value."""


class Scores(Protocol):
    """Predictions of a row for one task and seed."""

    def of(self, sets: Sets) -> dict[str, npt.NDArray[Any]]:
        """Return the predictions of each part."""


class Row(Protocol):
    """A row of the table."""

    @property
    def name(self) -> str:
        """What people read."""

    @property
    def source(self) -> Any:
        """What the figures depend on, beside task, seed and split; JSON."""

    def scores(self, task: Task, seed: int, scratch: Path) -> Scores:
        """Return the predictions for a task."""


class Cells:
    """The figures that are done, one JSON line each; a line that was cut off is left out.

    Args:
        path: file, created at the first figures.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
        if path.is_file():  # the next line must not continue one that was cut off
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        found = map(json.loads, lines)
        self.done = {json.dumps(cell["key"]): cell["figures"] for cell in found}

    def get(self, task: Task, row: Row, seed: int, split: str) -> Figures | None:
        """Return figures, None where they are not done."""
        return self.done.get(json.dumps(key_of(task, row, seed, split)))

    def put(self, task: Task, row: Row, seed: int, split: str, figures: Figures) -> None:
        """Add figures."""
        key = key_of(task, row, seed, split)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "figures": figures}) + "\n")
        self.done[json.dumps(key)] = figures


def key_of(task: Task, row: Row, seed: int, split: str) -> list[Any]:
    """Return what figures depend on."""
    return [task.name, row.name, row.source, seed, split]


def score_all(
    cells: Cells, task: Task, row: Row, seed: int, splits: Sequence[str], scratch: Path
) -> int:
    """Make the figures of a task, row and seed that are not done; return how many those were."""
    todo = [split for split in splits if cells.get(task, row, seed, split) is None]
    scores = row.scores(task, seed, scratch) if todo else None
    for split in todo:
        assert scores is not None
        sets = task.splits[split]
        found = {
            part: task.figures(sets[PARTS[part]], values)
            for part, values in scores.of(sets).items()
        }
        cells.put(task, row, seed, split, found)
    return len(todo)
