"""The picture of a table: test figures with intervals, with and without leaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pepland_data.draw.figures import COLORS

PUBLISHED, CLEAN = COLORS[:2]
OTHERS = "#333333"
PARTS = (
    ("test", "as published figures are made", "o", PUBLISHED, 0.0),
    ("clean", "sets as they were made, without common rows", "s", CLEAN, 0.3),
)
"""Figures, what they are, mark, colour, and place below the row."""


def draw(tasks: dict[str, Any], path: Path) -> None:
    """Draw the first test figure of every row of every task."""
    from matplotlib.figure import Figure

    most = max(len(found["rows"]) + len(found["published"]) for found in tasks.values())
    figure = Figure(figsize=(6.4, (0.34 * most + 0.8) * len(tasks)), layout="constrained")
    grid = figure.subplots(len(tasks), 1, squeeze=False)[:, 0]
    for axes, (name, found) in zip(grid, tasks.items(), strict=True):
        draw_task(axes, name, found)
    marks = [grid[0].plot([], [], mark, color=color, label=told)[0]
             for _, told, mark, color, _ in PARTS]  # fmt: skip
    if any(map(leaks, tasks.values())):
        figure.legend(handles=marks, loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(path, dpi=130)


def draw_task(axes: Any, name: str, found: dict[str, Any]) -> None:
    """Draw one task: means with the intervals of the seeds, ticks for splits, published hollow.

    Squares: trained on the sets as they were made, where published figures know test rows.
    """
    key = next(iter(next(iter(found["rows"].values()))["test"]))
    labels = [*found["rows"], *(f"{other} (published)" for other in found["published"])]
    shown = PARTS if leaks(found) else PARTS[:1]
    for part, _, mark, color, down in shown:
        for i, row in enumerate(found["rows"].values()):
            draw_row(axes, row[part][key], i + down, mark, color)
    for i, value in enumerate(found["published"].values(), len(found["rows"])):
        axes.plot(value[key], i, "o", mfc="white", color=OTHERS)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.4)
    better = "lower is better" if key == "mae" else "higher is better"
    axes.set_title(f"{name}: test {key.upper()}, {better}", fontsize=10)
    axes.grid(axis="x", alpha=0.3)


def leaks(found: dict[str, Any]) -> bool:
    """Return whether a task has test rows in training."""
    return any(found["test rows in training"].values())


def draw_row(axes: Any, value: Any, y: float, mark: str, color: str) -> None:
    """Draw a mean with its interval, and the splits below it."""
    half = 0 if value["low"] is None else value["high"] - value["mean"]
    axes.errorbar(value["mean"], y, xerr=half, fmt=mark, color=color, capsize=3, ms=5)
    by_split = list(value["by_split"].values())
    axes.plot(by_split, [y + 0.15] * len(by_split), "|", color=color, alpha=0.6, ms=4)
