"""Frozen vectors under LightGBM on tasks of others, with their published splits.

The protocol is that of the tasks: vectors of a network that is not trained on, LightGBM on train
and valid, the Matthews correlation (MCC) of the test set, the mean over thresholds and seeds;
permeability has mean absolute error (MAE) and R2. They search the settings of LightGBM with 100
trials. Here they are fixed (`cells.SETTINGS`), and the same for every row. A seed draws the weights
of an untrained network, and the columns that a tree sees. The validation figures, fitted on train
only, are there to choose a readout. All thresholds of a task have nearly the same training set, and
test sets that overlap; so the intervals are Student's 95 % over the seeds, each the mean of its
splits. A run that is stopped goes on where it was with the same ``--scratch``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import click
import torch

from benchmarks.common import record
from benchmarks.common.training_data import SHARED
from benchmarks.downstream.cells import COLUMNS_PER_TREE, FIGURES, SETTINGS, Cells, fit_all, key_of
from benchmarks.downstream.features import BITS, RADIUS, Features, all_features
from benchmarks.downstream.frozen_chart import draw
from benchmarks.downstream.tasks import TASKS, Task, read_task
from pepland_model import PharmHGTConfig
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


def summary(
    cells: Cells, task: Task, rows: Sequence[Features], seeds: int, splits: list[str]
) -> Any:
    """Return the figures of every row of a task."""
    return {
        features.name: {
            part: {
                figure: of_splits(cells, task, features, seeds, splits, part, figure)
                for figure in FIGURES[task.regression]
            }
            for part in ("valid", "test")
        }
        for features in rows
    }


def spread(names: list[str], most: int) -> list[str]:
    """Return at most so many names at even distances, the last one among them."""
    count = min(most, len(names))
    return [names[round((i + 1) * len(names) / count) - 1] for i in range(count)]


def of_splits(
    cells: Cells, task: Task, features: Features, seeds: int, splits: list[str], part: str,
    figure: str,
) -> dict[str, Any]:  # fmt: skip
    """Return mean and interval over the seeds, and the mean of the seeds for each split."""
    by_seed = [
        [(cells.get(key_of(task, features, seed, s)) or {})[part][figure] for s in splits]
        for seed in range(seeds)
    ]
    by_split = dict(zip(splits, map(fmean, zip(*by_seed, strict=True)), strict=True))
    return {**interval([fmean(values) for values in by_seed]), "by_split": by_split}


@click.command()
@click.option("--data", default=str(SHARED / "benchmark"), help="Folder with the tasks.")
@click.option("--checkpoint", "checkpoints", multiple=True, help="Trained encoder; repeat it.")
@click.option("--task", "tasks", multiple=True, type=click.Choice(TASKS), help="Default: all.")
@click.option("--seeds", default=2, show_default=True)
@click.option(
    "--splits", default=ALL, help="Most splits of permeability, evenly spread; default: all."
)
@click.option("--hidden", default=PharmHGTConfig().hidden, show_default=True,
              help="Width of the untrained networks.")  # fmt: skip
@click.option("--scratch", help="Folder for stores and finished fits; else a new one.")
@click.option("--threads", default=2, show_default=True, help="Of the network.")
@click.option("--name", default="downstream_frozen", show_default=True, help="Of the result.")
@click.option("--results", type=click.Path(path_type=Path), default=record.RESULTS,
              help="Folder of the result.")  # fmt: skip
def frozen(
    data: str, checkpoints: tuple[str, ...], tasks: tuple[str, ...], seeds: int, splits: int,
    hidden: int, scratch: str | None, threads: int, name: str, results: Path,
) -> None:  # fmt: skip
    """Fit LightGBM on frozen vectors, and write downstream_frozen.json and .png."""
    torch.set_num_threads(threads)
    if len({Path(path).name for path in checkpoints}) < len(checkpoints):
        raise click.UsageError("two checkpoints have the same name; rename one of the folders")
    rows = all_features(PharmHGTConfig(hidden=hidden), list(checkpoints))
    with tempfile.TemporaryDirectory() as fresh:
        folder = Path(scratch or fresh)
        folder.mkdir(parents=True, exist_ok=True)
        cells = Cells(folder / "cells.jsonl")
        read = [read_task(task, Path(data)) for task in tasks or TASKS]
        chosen = {
            task.name: spread(list(task.splits), splits if task.regression else ALL)
            for task in read
        }
        for seed in range(seeds):
            for task in read:
                for features in rows:
                    new = fit_all(cells, task, features, seed, chosen[task.name], folder)
                    click.echo(f"seed {seed}, {task.name}, {features.name}: {new} new fits")
    found = {
        task.name: {
            "peptides": len(task.smiles),
            "splits": chosen[task.name],
            "rows": summary(cells, task, rows, seeds, chosen[task.name]),
            "published": PUBLISHED[task.name],
        }
        for task in read
    }
    settings = {
        "seeds": seeds, "LightGBM": {**SETTINGS, "columns per tree": COLUMNS_PER_TREE},
        "untrained": PharmHGTConfig(hidden=hidden).to_dict(),
        "count-ECFP": {"radius": RADIUS, "numbers": BITS},
    }  # fmt: skip
    path = record.save(name, {"settings": settings, "tasks": found}, results)
    draw(found, path.with_suffix(".png"))
    click.echo(f"wrote {path}")
