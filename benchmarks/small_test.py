"""Did the small test learn? Reads the run that ``make small-test`` trains.

The published resource estimate has a small test: 10,000 training and 1,000 validation peptides,
5 epochs, batches of 512. This command fails if the sets or the steps are others, or if a loss is
not well below that of predicting the label frequencies. Times are shown, not judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from pepland_model.run.log import events

TRAINING, VALIDATION, EPOCHS, BATCH = 10_000, 1_000, 5, 512
STEPS = EPOCHS * -(-TRAINING // BATCH)
LARGEST = 0.6
"""Largest loss, as a share of that of the label frequencies."""


def checks(summary: Mapping[str, Any], train: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    """Return what is checked, and whether it is so.

    Args:
        summary: content of ``summary.json``.
        train: events of training.
    """
    data, steps = summary["data"], summary["steps"]
    sizes = data["training peptides"], data["validation peptides"]
    losses = {
        "training loss of the last steps": train[-1]["loss"],
        "validation loss": summary["metrics"]["loss"],
    }
    base = summary["baseline"]["loss"]
    return {
        f"{sizes[0]:,} training and {sizes[1]:,} validation peptides, {steps} steps of {BATCH}":
        (*sizes, steps) == (TRAINING, VALIDATION, STEPS),
        **{f"{name} {loss:.3f}, {loss / base:.0%} of {base:.3f} (label frequencies)":
           loss < LARGEST * base for name, loss in losses.items()},
    }  # fmt: skip


def speed(train: Sequence[Mapping[str, Any]]) -> str:
    """Return time, peptides per second and waiting of the training steps."""
    counts = [after - before for before, after in pairwise([0, *(e["step"] for e in train)])]
    seconds = sum(BATCH * n / e["graphs_per_s"] for n, e in zip(counts, train, strict=True))
    waiting = max(e["waiting_share"] for e in train)
    return (
        f"steps took {seconds:.1f} s, {EPOCHS * TRAINING / seconds:,.0f} peptides/s; waiting for "
        f"data took at most {waiting:.1%} of the time of {max(counts)} steps"
    )


@click.command(help=__doc__)
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(run: Path) -> None:
    train = list(events(run, "train"))
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    found = checks(summary, train)
    for text, good in found.items():
        click.echo(f"{'ok' if good else 'NOT':4}{text}")
    click.echo(f"    {speed(train)}")
    if not all(found.values()):
        raise click.ClickException(f"not as expected; see {run}/report.html")


if __name__ == "__main__":
    main()
