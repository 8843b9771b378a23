"""The report of a run: ``report.html``, which needs no other file, and ``loss.png``."""

from __future__ import annotations

import html
import importlib.util
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pepland_data.files.atomic import write_atomic_bytes
from pepland_model.run.folder import CONFIG
from pepland_model.run.log import events

Point = tuple[float, float]
"""Step and value."""
Lines = dict[str, list[Point]]
"""Name -> points."""
COLORS = ("#0b6fb8", "#d1495b", "#2e8b57", "#8a5fbf")
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1c2733;background:#fff}
h1{font-size:1.5rem;margin-bottom:0}
h2{font-size:1.1rem;margin-top:2rem;border-bottom:1px solid #d8dee6}
table{border-collapse:collapse}td,th{padding:.2rem .9rem .2rem 0;text-align:left;
vertical-align:top}td.n{font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}.grid{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr))}
svg{width:100%;height:auto;fill:#5d6b7a}pre{background:#f4f6f9;padding:.8rem;overflow:auto}
.muted{color:#5d6b7a}figure{margin:0}figcaption{font-weight:600}
@media(prefers-color-scheme:dark){body{color:#dbe3ec;background:#12181f}
h2{border-color:#33404e}pre{background:#1c2530}.muted{color:#9aa8b8}
svg path[stroke="#e3e8ee"]{stroke:#2a3541}svg{fill:#9aa8b8}}
"""


def write_report(run: str | Path) -> Path:
    """Write ``report.html`` from the files of a run folder and return its path."""
    run = Path(run)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    train, evaluation = list(events(run, "train")), list(events(run, "eval"))
    return write_page(run, summary, [
        "<h2>Result</h2>",
        table(_result_rows(summary, evaluation)),
        "<h2>Curves</h2>",
        figures(curves(train, evaluation, summary)),
        "<h2>Data</h2>",
        table(summary.get("data", {}).items()),
        "<h2>Speed</h2>",
        table(_speed_rows(train)),
    ])  # fmt: skip


def write_page(run: Path, summary: Mapping[str, Any], parts: Sequence[str]) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    Args:
        run: the run folder.
        summary: content of ``summary.json``; status and versions are shown.
        parts: HTML between the status and the versions.
    """
    name = html.escape(run.resolve().name)
    body = [
        f"<h1>{name}</h1>",
        f"<p class=muted>{html.escape(str(summary.get('status', '')))}</p>",
        *parts,
        "<h2>Versions</h2>",
        table(summary.get("versions", {}).items()),
        "<h2>Configuration</h2>",
        f"<pre>{html.escape((run / CONFIG).read_text(encoding='utf-8'))}</pre>",
    ]
    page = (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{name}</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )
    write_atomic_bytes(run / "report.html", page.encode())
    return run / "report.html"


def figures(titled: Sequence[tuple[str, Lines]]) -> str:
    """Return charts side by side."""
    return f"<div class=grid>{''.join(_figure(title, lines) for title, lines in titled)}</div>"


def curves(
    train: Sequence[Mapping[str, Any]],
    evaluation: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
) -> list[tuple[str, Lines]]:
    """Return the title and the lines of each chart.

    A line whose name ends in ``frequencies`` is a baseline.
    """
    found: list[tuple[str, Lines]] = []
    for what in ("loss", "accuracy"):
        for term in ("atom", "fragment", "bond"):
            key = f"{term}_{what}"
            lines = {"training": _points(train, key), "validation": _points(evaluation, key)}
            base = summary.get("baseline", {}).get(key)
            steps = [x for line in lines.values() for x, _ in line]
            if base is not None and steps:
                lines["corpus frequencies"] = [(min(steps), base), (max(steps), base)]
            if steps:
                found.append((f"{term.capitalize()} {what}", lines))
    for key, title in (("graphs_per_s", "Peptides per second"), ("lr", "Learning rate")):
        if points := _points(train, key):
            found.append((title, {title: points}))
    return found


def _points(records: Sequence[Mapping[str, Any]], key: str) -> list[Point]:
    """Return the finite values of a metric; a damaged line may hold anything."""
    found = ((float(r["step"]), r.get(key)) for r in records)
    return [(x, float(y)) for x, y in found if isinstance(y, int | float) and math.isfinite(y)]


def _figure(title: str, lines: Lines) -> str:
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{chart(lines)}</figure>"


def chart(lines: Lines, width: int = 520, height: int = 274) -> str:
    """Return lines over steps as an inline SVG with axes, ticks and, for several, a legend."""
    points = [p for line in lines.values() for p in line]
    x_ticks, y_ticks = ticks([p[0] for p in points]), ticks([p[1] for p in points])
    x0, x1, y0, y1 = x_ticks[0], x_ticks[-1], y_ticks[0], y_ticks[-1]
    left, right, top, bottom = 56, width - 24, 12, height - 54

    def at(point: Point) -> str:
        x = left + (point[0] - x0) / (x1 - x0) * (right - left)
        y = bottom - (point[1] - y0) / (y1 - y0) * (bottom - top)
        return f"{x:.1f},{y:.1f}"

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" font-size="11">']
    for value in y_ticks:
        y = at((x0, value)).split(",")[1]
        parts.append(f'<path d="M{left} {y}H{right}" stroke="#e3e8ee"/>')
        parts.append(f'<text x="{left - 6}" y="{y}" dy="4" text-anchor="end">{_tick(value)}</text>')
    for value in x_ticks:
        x = at((value, y0)).split(",")[0]
        parts.append(f'<text x="{x}" y="{bottom + 15}" text-anchor="middle">{_tick(value)}</text>')
    middle = (left + right) // 2
    parts.append(f'<text x="{middle}" y="{bottom + 31}" text-anchor="middle">step</text>')
    for i, (name, line) in enumerate(lines.items()):
        color, start = COLORS[i % len(COLORS)], left + 150 * i
        dash = ' stroke-dasharray="5 4"' if name.endswith("frequencies") else ""
        stroke = f'fill="none" stroke="{color}" stroke-width="1.6"{dash}'
        parts.append(f'<polyline points="{" ".join(map(at, line))}" {stroke}/>')
        if name == "validation" or len(line) == 1:
            dots = (at(point).split(",") for point in line)
            parts += [f'<circle cx="{cx}" cy="{cy}" r="2.5" fill="{color}"/>' for cx, cy in dots]
        if len(lines) > 1:
            parts.append(f'<path d="M{start} {height - 8}h18" {stroke}/>')
            parts.append(f'<text x="{start + 23}" y="{height - 4}">{html.escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def ticks(values: Sequence[float]) -> list[float]:
    """Return three to ten round numbers that span the values."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high <= low:
        low, high = min(0.0, 2 * low), max(0.0, 2 * high) or 1.0
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * max(m for m in (1, 2, 2.5, 5) if m * power <= rough * (1 + 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * k for k in range(first, last + 1)]


def _tick(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def table(rows: Any) -> str:
    """Return name-value pairs as an HTML table."""
    cells = (
        f"<tr><th>{html.escape(str(name))}</th><td class=n>{html.escape(_plain(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table>{''.join(cells)}</table>"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _result_rows(
    summary: Mapping[str, Any], evaluation: Sequence[Mapping[str, Any]]
) -> list[tuple[str, Any]]:
    names = {"steps": "steps", "best_step": "best step", "best_loss": "best validation loss"}
    rows = [(text, summary[key]) for key, text in names.items() if summary.get(key) is not None]
    base = summary.get("baseline", {})
    last = evaluation[-1] if evaluation else {}
    for key, value in last.items():
        if key.endswith(("_loss", "_accuracy")):
            known = f" (corpus frequencies: {base[key]:.4g})" if key in base else ""
            rows.append((f"validation {key.replace('_', ' ')}", f"{_plain(value)}{known}"))
    return rows


def _speed_rows(train: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    rates = sorted(rate for _, rate in _points(train, "graphs_per_s") if rate)
    waits = [share for _, share in _points(train, "waiting_share")]
    memory = [size for _, size in _points(train, "memory_gib")]
    rows: list[tuple[str, Any]] = []
    if rates:
        rows.append(("peptides per second, median", rates[len(rates) // 2]))
    if waits:
        rows.append(("share of time waiting for data", f"{sum(waits) / len(waits):.2%}"))
    if memory:
        rows.append(("largest memory, GiB", max(memory)))
    return rows


def write_loss_curve(run: str | Path) -> Path | None:
    """Draw ``loss.png`` into the run folder; return None if matplotlib is not installed."""
    if not importlib.util.find_spec("matplotlib"):
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    run = Path(run)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    drawn = curves(list(events(run, "train")), list(events(run, "eval")), summary)
    drawn = [entry for entry in drawn if entry[0].endswith("loss")]
    figure = Figure(figsize=(5 * max(1, len(drawn)), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for i, (title, lines) in enumerate(drawn):
        axes = figure.add_subplot(1, len(drawn), i + 1)
        for name, line in lines.items():
            style = "--" if name.endswith("frequencies") else "-"
            if line:
                mark = "o" if name == "validation" else None
                axes.plot(*zip(*line, strict=True), style, label=name, marker=mark, markersize=3)
        axes.set(title=title, xlabel="step")
        axes.legend(frameon=False)
    figure.savefig(run / "loss.png", dpi=120)
    return run / "loss.png"
