"""The table: every row on every task, with the published splits, over the seeds."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import click

from benchmarks.common import record
from benchmarks.downstream.cells import PARTS, Cells, Row, score_all
from benchmarks.downstream.chart import draw
from benchmarks.downstream.tasks import FIGURES, Task
from pepland_model.finetune.confidence_interval import interval

PUBLISHED = {
    "c-cpp": {"PepLand": {"mcc": 0.88}},
    "c-antiviral": {"PepLand": {"mcc": 0.70}},
    "nc-cpp": {"PepLand": {"mcc": 0.62}},
    "permeability": {
        "directed message passing": {"mae": 0.347}, "AttentiveFP": {"mae": 0.367},
        "random forest": {"mae": 0.397}, "graph convolution": {"mae": 0.403},
    },
}  # fmt: skip
"""Figures of others on these test sets: PepLand's vectors with searched settings of LightGBM, and
models trained on the task. Sources as in `tasks`."""
ALL = 10**6


def make_table(
    tasks: Sequence[Task], rows: Sequence[Row], seeds: int, most: tuple[int, int],
    scratch: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the figures of every row of every task; what is done in the scratch folder is kept.

    Args:
        tasks: the tasks.
        rows: the rows.
        seeds: how many.
        most: most thresholds of classified tasks, and most splits of permeability.
        scratch: folder of stores, runs and finished figures; None for one that is removed.
    """
    if len({row.name for row in rows}) < len(rows):
        raise click.UsageError("two checkpoints have the same name; rename one of the folders")
    with tempfile.TemporaryDirectory() as fresh:
        folder = Path(scratch or fresh)
        folder.mkdir(parents=True, exist_ok=True)
        cells = Cells(folder / "cells.jsonl")
        chosen = {t.name: spread(list(t.splits), most[t.regression]) for t in tasks}
        for seed in range(seeds):
            for task in tasks:
                for row in rows:
                    new = score_all(cells, task, row, seed, chosen[task.name], folder)
                    click.echo(f"seed {seed}, {task.name}, {row.name}: {new} new splits")
    return {
        task.name: {
            "peptides": len(task.smiles),
            "test rows in training": {s: task.leak(s) for s in chosen[task.name]},
            "rows": {
                row.name: figures_of(cells, task, row, seeds, chosen[task.name]) for row in rows
            },
            "published": PUBLISHED[task.name],
        }
        for task in tasks
    }


def spread(names: list[str], most: int) -> list[str]:
    """Return at most so many names at even distances, the last one among them."""
    count = min(most, len(names))
    return [names[round((i + 1) * len(names) / count) - 1] for i in range(count)]


def figures_of(cells: Cells, task: Task, row: Row, seeds: int, splits: list[str]) -> Any:
    """Return the figures of a row of a task."""
    found = [[cells.get(task, row, seed, split) or {} for split in splits] for seed in range(seeds)]
    return {
        part: {
            figure: of_splits([[one[part][figure] for one in each] for each in found], splits)
            for figure in FIGURES[task.regression]
        }
        for part in PARTS
    }


def of_splits(by_seed: list[list[float]], splits: list[str]) -> dict[str, Any]:
    """Return mean and interval over the seeds, and the mean of the seeds for each split."""
    by_split = dict(zip(splits, map(fmean, zip(*by_seed, strict=True)), strict=True))
    return {**interval([fmean(values) for values in by_seed]), "by_split": by_split}


def save(name: str, settings: dict[str, Any], found: dict[str, Any], results: Path) -> None:
    """Write the result and its picture."""
    path = record.save(name, {"settings": settings, "tasks": found}, results)
    draw(found, path.with_suffix(".png"))
    click.echo(f"wrote {path}")
