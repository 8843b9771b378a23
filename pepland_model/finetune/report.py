"""The report of a fine-tuning: ``report.html``, which needs no other file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pepland_data.draw.figures import Line, Picture, as_picture, figure_of_dots, style
from pepland_model.finetune.ensemble import KEYS, SHARE
from pepland_model.finetune.run_predictions import FILE, values_of
from pepland_model.run.log import events
from pepland_model.run.report import can_draw, lines_of, write_page

COLUMNS = ("mean of the models", "their mean prediction", "boosted trees on fragment counts")
MOST_DOTS = 2000
"""Peptides of the scatter; of more, every n-th is drawn."""
MOST_SCATTERS = 4
"""Targets of a regression whose values are drawn: the first ones."""
MOST_CLASSES = 20
"""A table of more classes is left out."""


def write_finetune_report(run: Path, summary: Mapping[str, Any]) -> dict[str, Path]:
    """Write the report of a run folder.

    Args:
        run: the run folder.
        summary: content of ``summary.json``.

    Returns:
        ``report`` -> path; empty where `can_draw` is false.
    """
    if not can_draw():
        return {}
    sets = {name: _rows_of_set(name, summary) for name in summary["metrics"]}
    losses = {"Loss": _losses(run, "train"), "Validation loss": _losses(run, "eval")}
    drawn = {title: lines for title, lines in losses.items() if lines}
    template = "pepland_model.finetune/report.html.j2"
    shown: dict[str, Any] = {"scatters": [], "confusion": {}, "targets": {}}
    shown |= _held_out(run, summary) if sets else {}
    report = write_page(run, template, summary, drawn, columns=COLUMNS, sets=sets, **shown)
    return {"report": report}


def _rows_of_set(name: str, summary: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return metric -> figure of the models, of the ensemble and of the baseline."""
    sides = [summary[key].get(name, {}) for key in ("metrics", "ensemble", "baseline")]
    keys = {**sides[0], **sides[1]}
    return {k.replace("_", " "): [figure_text(side.get(k, "")) for side in sides] for k in keys}


def figure_text(found: Mapping[str, Any] | float | str | None) -> str:
    """Return a figure, or a mean with its interval, as text; '' stays ''."""
    if isinstance(found, str):
        return found
    if found is None or isinstance(found, int | float):
        return "undefined" if found is None else f"{found:.4f}"
    is_one = found["low"] in (None, found["high"])
    width = "" if is_one else f" ({found['low']:.4f} to {found['high']:.4f})"
    return figure_text(found["mean"]) + width


def _held_out(run: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return pictures, or tables, of measured and predicted values of the last set."""
    name = list(summary["metrics"])[-1]
    table = pq.read_table(run / FILE, filters=[("set", "=", name)])
    if summary["task"] == "classification":
        return {"confusion": confusion(table), "held_out": name}
    known = [n for n in values_of(table, "target") if table[n].null_count < len(table)]
    return {
        "scatters": [scatter(table, f"Measured and predicted, set {name}", n)
                     for n in known[:MOST_SCATTERS]],
        "held_out": name,
        "targets": {
            target: [figure_text(found) for found in figures.values()]
            for target, figures in summary["by_target"].get(name, {}).items()
        },
    }  # fmt: skip


def scatter(table: Any, title: str, target: str = "target") -> Picture:
    """Draw the mean prediction of the models over the measured value of each peptide.

    Args:
        table: Arrow table of a regression, as ``predictions.parquet``, of one set.
        title: heading of the picture.
        target: the column of measured values.
    """
    name = target.removeprefix("target")
    wanted = [(target, "min"), (f"prediction{name}", "mean")]
    means = table.filter(pc.is_valid(pc.field(target))).group_by(KEYS).aggregate(wanted)
    every = max(1, -(-len(means) // MOST_DOTS))
    measured, predicted = (
        means.column(f"{column}_{how}").to_numpy()[::every] for column, how in wanted
    )
    title += f": {name[1:]}" if name else ""
    part = "" if every == 1 else f" Every peptide of {every:,} in order is drawn."
    with style():
        figure = figure_of_dots(measured, predicted, ("measured", "predicted, mean of the models"))
        return as_picture(figure, title, f"Dashed: a perfect prediction.{part}")


def confusion(table: Any) -> dict[str, list[tuple[int, float]]]:
    """Return measured class -> for each predicted class: peptides, and their share of the row.

    Args:
        table: Arrow table of a classification, as ``predictions.parquet``, of one set. A peptide
            counts once for each model.

    Returns:
        All classes in order; empty if they are more than `MOST_CLASSES`.
    """
    names = [n.removeprefix(SHARE) for n in table.column_names if n.startswith(SHARE)]
    if len(names) > MOST_CLASSES:
        return {}
    pairs = Counter(
        zip(*(table.column(n).to_pylist() for n in ("target", "prediction")), strict=True)
    )
    counts = {name: [pairs[name, other] for other in names] for name in names}
    return {name: [(n, n / max(1, sum(row))) for n in row] for name, row in counts.items()}


def _losses(run: Path, kind: str) -> list[Line]:
    """Return the losses of the first four seeds, by step."""
    folders = sorted(run.glob("seed-*"), key=lambda p: int(p.name.partition("-")[2]))[:4]
    found = {folder.name.replace("-", " "): list(events(folder, kind)) for folder in folders}
    return lines_of(found, "loss")
