"""The report of a run: ``report.html``, which needs no other file, and ``loss.png``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pepland_data.draw.figures import Line, Picture, as_picture, figure_of_curves, style
from pepland_data.draw.page import missing_packages, render
from pepland_data.files.atomic import write_atomic_bytes
from pepland_data.html_parts import plain
from pepland_model.run.folder import CONFIG
from pepland_model.run.log import events

Curves = dict[str, list[Line]]
"""Title -> lines over steps."""
Records = Sequence[Mapping[str, Any]]
"""Events of ``metrics.jsonl``."""
MOST_POINTS = 500
"""Points of a line; of a longer one, every n-th is drawn, so peaks between them are left out."""
LARGEST = 1e30
"""Larger values of a damaged line are not drawn."""
FREQUENCIES = "corpus frequencies"


def write_report(run: str | Path) -> dict[str, Path]:
    """Write ``report.html`` and ``loss.png`` from the files of a run folder.

    Returns:
        ``report``, and ``curve`` if there are losses -> path; empty where `can_draw` is false.
    """
    run = Path(run)
    if not can_draw():
        return {}
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    train, evaluation = list(events(run, "train")), list(events(run, "eval"))
    found = curves(train, evaluation, summary)
    result = _result_rows(summary, evaluation)
    template = "pepland_model.run/report.html.j2"
    report = write_page(run, template, summary, found, result=result, speed=_speed_rows(train))
    return _write_loss_curve(run, found) | {"report": report}


def can_draw() -> bool:
    """Return whether reports can be drawn here; if not, say what is missing."""
    if missing := missing_packages():
        print(
            f"no report: it needs {missing}; `pip install 'pepland-data[train]'` and the same "
            "command again write it",
            file=sys.stderr,
        )
    return not missing


def write_page(
    run: Path, template: str, summary: Mapping[str, Any], drawn: Curves, **values: Any
) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    Args:
        run: the run folder.
        template: see `pepland_data.draw.page.render`.
        summary: content of ``summary.json``.
        drawn: the curves; those of losses may have a logarithmic axis.
        values: what else the template shows.
    """
    with style():
        pictures = [_picture(title, lines) for title, lines in drawn.items()]
    page = render(
        template, heading=run.resolve().name, summary=summary, curves=pictures,
        config=(run / CONFIG).read_text(encoding="utf-8"), most=MOST_POINTS, **values,
    )  # fmt: skip
    write_atomic_bytes(run / "report.html", page)
    return run / "report.html"


def _picture(title: str, lines: Sequence[Line]) -> Picture:
    return as_picture(
        figure_of_curves({"": lines}, "step", log=title.lower().endswith("loss")), title
    )


def curves(train: Records, evaluation: Records, summary: Mapping[str, Any]) -> Curves:
    """Return the lines of each chart; the frequencies of the corpus are a reference."""
    found: Curves = {}
    for what in ("loss", "accuracy"):
        for term in ("atom", "fragment", "bond"):
            key = f"{term}_{what}"
            lines = lines_of({"training": train, "validation": evaluation}, key)
            base = summary.get("baseline", {}).get(key)
            if lines and base is not None:
                lines.append(Line(FREQUENCIES, {0: base}, is_reference=True))
            found[f"{term.capitalize()} {what}"] = lines
    for key, title in (("graphs_per_s", "Peptides per second"), ("lr", "Learning rate")):
        found[title] = lines_of({title: train}, key)
    return {title: lines for title, lines in found.items() if lines}


def lines_of(records: Mapping[str, Records], key: str) -> list[Line]:
    """Return a metric over steps for each name that has values."""
    found = {name: _points(part, key) for name, part in records.items()}
    return [Line(name, thinned(points)) for name, points in found.items() if points]


def _points(records: Records, key: str) -> dict[float, float]:
    """Return step -> a metric, without what cannot be drawn; a damaged line may hold anything."""
    found = ((r["step"], r.get(key)) for r in records)
    known = {x: float(y) for x, y in found if isinstance(y, int | float) and abs(y) < LARGEST}
    return dict(sorted(known.items()))


def thinned(points: Mapping[float, float]) -> dict[float, float]:
    """Return at most `MOST_POINTS` points at even distances, the last one among them."""
    every = -(-len(points) // MOST_POINTS) or 1
    return dict(list(points.items())[(len(points) - 1) % every :: every])


def _result_rows(summary: Mapping[str, Any], evaluation: Records) -> Iterable[tuple[str, Any]]:
    names = {"steps": "steps", "best_step": "best step", "best_loss": "best validation loss"}
    rows = [(text, summary[key]) for key, text in names.items() if summary.get(key) is not None]
    base = summary.get("baseline", {})
    for key, value in (evaluation[-1] if evaluation else {}).items():
        if key.endswith(("_loss", "_accuracy")):
            known = f" ({FREQUENCIES}: {base[key]:.4g})" if key in base else ""
            rows.append((f"validation {key.replace('_', ' ')}", f"{plain(value)}{known}"))
    return rows


def _speed_rows(train: Records) -> list[tuple[str, Any]]:
    keys = ("graphs_per_s", "waiting_share", "memory_gib")
    rates, waits, memory = (list(_points(train, key).values()) for key in keys)
    rates = sorted(rate for rate in rates if rate)
    rows: list[tuple[str, Any]] = []
    if rates:
        rows.append(("peptides per second, median", rates[len(rates) // 2]))
    if waits:
        rows.append(("share of time waiting for data", f"{sum(waits) / len(waits):.2%}"))
    if memory:
        rows.append(("largest memory, GiB", max(memory)))
    return rows


def _write_loss_curve(run: Path, drawn: Curves) -> dict[str, Path]:
    losses = {title: lines for title, lines in drawn.items() if title.endswith("loss")}
    if not losses:
        return {}
    with style():
        figure_of_curves(losses, "step", log=True).savefig(run / "loss.png", dpi=120)
    return {"curve": run / "loss.png"}
