"""The report of a fine-tuning: ``report.html``, which needs no other file."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pepland_model.run.log import events
from pepland_model.run.report import Lines, figures, table, write_page

COLUMNS = ("mean of the models", "their mean prediction", "boosted trees on fragment counts")


def write_finetune_report(run: Path, summary: Mapping[str, Any]) -> Path:
    """Write the report of a run folder and return its path.

    Args:
        run: the run folder.
        summary: content of ``summary.json``.
    """
    warnings = [f"<p><b>{html.escape(text)}</b></p>" for text in summary["warnings"]]
    task = f"{summary['task']} of {summary['target']}, models: {summary['seeds_done']}"
    return write_page(run, summary, [
        f"<p class=muted>{html.escape(task)}</p>",
        *warnings,
        *(part for name in summary["metrics"] for part in _of_set(name, summary)),
        "<h2>Curves</h2>",
        figures([("Loss", _losses(run, "train")), ("Validation loss", _losses(run, "eval"))]),
        "<h2>Data</h2>",
        table(summary.get("data", {}).items()),
    ])  # fmt: skip


def _of_set(name: str, summary: Mapping[str, Any]) -> list[str]:
    """Return the figures of a set beside those of the ensemble and of the baseline."""
    models, joined, trees = (
        summary[key].get(name, {}) for key in ("metrics", "ensemble", "baseline")
    )
    head = "".join(f"<th>{title}</th>" for title in ("", *COLUMNS))
    rows = [
        f"<tr><th>{html.escape(key.replace('_', ' '))}</th>"
        + "".join(f"<td class=n>{figure_text(side.get(key, ''))}</td>"
                  for side in (models, joined, trees)) + "</tr>"
        for key in {**models, **joined}
    ]  # fmt: skip
    titled = f"<h2>Set: {html.escape(name)}</h2>"
    return [titled, f"<div class=wide><table><tr>{head}</tr>{''.join(rows)}</table></div>"]


def figure_text(found: Mapping[str, Any] | float | str | None) -> str:
    """Return a figure, or a mean with its interval, as text; '' stays ''."""
    if isinstance(found, str):
        return found
    if found is None or isinstance(found, int | float):
        return "undefined" if found is None else f"{found:.4f}"
    width = "" if found["low"] is None else f" ({found['low']:.4f} to {found['high']:.4f})"
    return figure_text(found["mean"]) + width


def _losses(run: Path, kind: str) -> Lines:
    """Return the losses of the first four seeds, by step."""
    folders = sorted(run.glob("seed-*"), key=lambda p: int(p.name.partition("-")[2]))[:4]
    lines = {
        folder.name.replace("-", " "): [(e["step"], e["loss"]) for e in events(folder, kind)]
        for folder in folders
    }
    return {name: points for name, points in lines.items() if points}
