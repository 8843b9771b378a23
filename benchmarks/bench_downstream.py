"""What vectors and encoders are worth on tasks of others, with their published splits.

    python -m benchmarks.bench_downstream frozen
    python -m benchmarks.bench_downstream tuned --checkpoint run/

``frozen``: vectors of a network that is not trained on, under LightGBM. The protocol of the tasks
fits on train and valid, takes the Matthews correlation (MCC) of the test set, and the mean over
thresholds and seeds; permeability has mean absolute error (MAE) and R2. They search the settings of
LightGBM with 100 trials. Here they are fixed (`fits.SETTINGS`), and the same for every row. A seed
draws the weights of an untrained network, and the columns that a tree sees. ``tuned``: the encoder
is trained on the task.

Every row has three figures: ``valid`` (only these may choose between rows), ``test`` (as
published), and ``clean``. In the published partitions of the classified tasks, most test rows are
in train or valid too. For ``clean`` they are taken out of train and valid. All thresholds of a task
have nearly the same training set, and test sets that overlap; so the intervals are Student's 95 %
over the seeds, each the mean of its splits. A run that is stopped goes on where it was with the
same ``--scratch``. Networks run on a GPU where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common import record
from benchmarks.common.training_data import SHARED
from benchmarks.downstream.features import BITS, RADIUS, all_features
from benchmarks.downstream.fits import COLUMNS_PER_TREE, SETTINGS, Frozen
from benchmarks.downstream.table import ALL, make_table, save
from benchmarks.downstream.tasks import TASKS, read_task
from benchmarks.downstream.tuned import all_tuned
from pepland_model import PharmHGTConfig

OPTIONS = (
    click.option("--data", default=str(SHARED / "benchmark"), help="Folder with the tasks."),
    click.option("--checkpoint", "checkpoints", multiple=True, help="Trained encoder; repeat it."),
    click.option("--task", "tasks", multiple=True, type=click.Choice(TASKS), help="Default: all."),
    click.option("--seeds", default=2, show_default=True),
    click.option("--thresholds", default=ALL,
                 help="Most thresholds of the other tasks, evenly spread; default: all."),
    click.option("--splits", default=ALL,
                 help="Most splits of permeability, evenly spread; default: all."),
    click.option("--hidden", default=PharmHGTConfig().hidden, show_default=True,
                 help="Width of the untrained networks."),
    click.option("--scratch", help="Folder of stores, runs and finished figures; else a new one."),
    click.option("--threads", default=2, show_default=True, help="Of the network."),
    click.option("--results", type=click.Path(path_type=Path), default=record.RESULTS,
                 help="Folder of the result."),
)  # fmt: skip


def common(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that both commands have."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.group()
def main() -> None:
    """Measure what vectors and encoders are worth."""


@main.command()
@common
def frozen(
    data: str, checkpoints: tuple[str, ...], tasks: tuple[str, ...], seeds: int,
    thresholds: int, splits: int, hidden: int, scratch: str | None, threads: int, results: Path,
) -> None:  # fmt: skip
    """Fit LightGBM on frozen vectors, and write downstream_frozen.json and .png."""
    torch.set_num_threads(threads)
    config = PharmHGTConfig(hidden=hidden)
    rows = [Frozen(features) for features in all_features(config, list(checkpoints))]
    read = [read_task(task, Path(data)) for task in tasks or TASKS]
    settings = {
        "seeds": seeds, "LightGBM": {**SETTINGS, "columns per tree": COLUMNS_PER_TREE},
        "untrained": config.to_dict(), "count-ECFP": {"radius": RADIUS, "numbers": BITS},
    }  # fmt: skip
    found = make_table(read, rows, seeds, (thresholds, splits), scratch)
    save("downstream_frozen", settings, found, results)


@main.command()
@common
@click.option("--name", default="downstream_tuned", show_default=True, help="Of the result.")
@click.option("--batch-size", type=int, help="Of pepland-train; default: its own.")
@click.option("--lr", type=float, help="Of pepland-train; default: its own.")
@click.option("--epochs", type=int, help="Of pepland-train; default: its own.")
@click.option("--patience", type=int, help="Of pepland-train; default: its own.")
def tuned(
    data: str, checkpoints: tuple[str, ...], tasks: tuple[str, ...], seeds: int,
    thresholds: int, splits: int, hidden: int, scratch: str | None, threads: int, results: Path,
    name: str, **flags: Any,
) -> None:  # fmt: skip
    """Train encoders on the tasks, and write a result and its picture."""
    torch.set_num_threads(threads)
    given = {"hidden": hidden, **{k: v for k, v in flags.items() if v is not None}}
    read = [read_task(task, Path(data)) for task in tasks or TASKS]
    found = make_table(
        read, all_tuned(list(checkpoints), given), seeds, (thresholds, splits), scratch
    )
    save(name, {"seeds": seeds, "pepland-train": given}, found, results)


if __name__ == "__main__":
    main()
