"""The four pictures of an estimate: memory, speed, cost, and speed-up by number of cards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pepland_data.draw.figures import (
    Line,
    Picture,
    as_picture,
    draw_levels,
    figure_of_bars,
    figure_of_lines,
    name_lines,
    style,
)
from pepland_model.estimate.show.tables import answers, cell, heading

Row = Mapping[str, Any]
MOST_LINES = 8
"""Lines of a picture."""
CLOSE = 1.4
"""Cards whose memory differs by less than this factor share a name in the picture."""
MOST_NAMES = 2
"""Cards named at a level of memory."""
SAME = 0.02
"""Relative difference up to which two lines are drawn as one."""


def pictures(document: Mapping[str, Any]) -> list[Picture]:
    """Draw what a document has figures for.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    rows = {answer.name: answer.rows for answer in answers(document)}
    currency = document.get("about", {}).get("currency", "")
    with style():
        drawn = (
            _memory(rows.get("memory_by_batch", []), rows.get("cards", [])),
            _speed(rows.get("step_time", [])),
            _cost(rows.get("hours", []), rows.get("cloud", []), currency),
            _speedup(rows.get("scaling", [])),
        )
    return [picture for picture in drawn if picture]


def _memory(rows: Sequence[Row], cards: Sequence[Row]) -> Picture | None:
    found = [line for part in _groups(rows, "kind").items() for line in _memory_lines(*part)]
    lines, note = _most(found)
    if not lines:
        return None
    figure, axes = figure_of_lines(lines, "batch", "memory, GiB", log=True)
    levels = _memory_levels(cards)
    draw_levels(axes, levels)
    name_lines(axes, lines)
    if levels:
        note = f"Horizontal lines: the memory of cards. {note}"
    title = "Memory by batch"
    return as_picture(figure, title, note.strip())


def _memory_levels(cards: Sequence[Row]) -> dict[tuple[float, ...], str]:
    """Return the GiB of cards of about the same memory -> the first of these cards."""
    known = [(size, cell(row.get("card"))) for row in cards if (size := _memory_of(row))]
    levels: dict[tuple[float, ...], str] = {}
    group: list[tuple[float, str]] = []
    for one in sorted(known):
        if group and one[0] > CLOSE * group[0][0]:
            levels |= _level(group)
            group = []
        group.append(one)
    return levels | _level(group)


def _level(group: Sequence[tuple[float, str]]) -> dict[tuple[float, ...], str]:
    """Return the heights of a group, and its name."""
    if not group:
        return {}
    sizes, names = tuple(size for size, _ in group), [name for _, name in group]
    span = " to ".join(dict.fromkeys([cell(sizes[0]), cell(sizes[-1])]))
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return {sizes: f"{span} GiB: {', '.join(names[:MOST_NAMES])}{more}"}


def _memory_of(row: Row) -> float | None:
    return _positive(row.get("memory_gib"))


def _memory_lines(kind: str, rows: Sequence[Row]) -> list[Line]:
    """Return a line for each precision; those that would cover each other are one."""
    found: list[tuple[list[str], dict[float, float]]] = []
    for key in dict.fromkeys(key for row in rows for key in row if key.endswith("_gib")):
        name, points = key.removesuffix("_gib"), _points(rows, "batch", key)
        same = [names for names, other in found if _is_same(points, other)]
        if same:
            same[0].append(name)
        elif points:
            found.append(([name], points))
    return [Line(f"{kind}, {'/'.join(names)}", points) for names, points in found]


def _is_same(a: Mapping[float, float], b: Mapping[float, float]) -> bool:
    return a.keys() == b.keys() and all(math.isclose(a[x], b[x], rel_tol=SAME) for x in a)


def _speed(rows: Sequence[Row]) -> Picture | None:
    """Draw a line for each card, at the precision that most cards have figures for."""
    by_precision = _groups([row for row in rows if _speed_of(row)], "precision")
    if not by_precision:
        return None
    precision = max(by_precision, key=lambda name: len(_groups(by_precision[name], "card")))
    found = [_speed_line(*part) for part in _groups(by_precision[precision], "card").items()]
    lines, note = _most(found)
    if not lines:
        return None
    figure, axes = figure_of_lines(lines, "batch", "peptides per second", log=True)
    name_lines(axes, lines)
    if any(line.bounds for line in lines):
        note = f"Dashed: calculated, with its bounds. {note}".strip()
    title = f"Training speed by batch, {precision}"
    return as_picture(figure, title, note)


def _speed_line(card: str, rows: Sequence[Row]) -> Line:
    batches = {x: row for row in rows if (x := _positive(row.get("batch")))}
    bounds = {x: found for x, row in sorted(batches.items()) if (found := _speed_bounds(row))}
    return Line(card, {x: _speed_of(batches[x]) for x in sorted(batches)}, bounds)


def _speed_of(row: Row) -> float:
    """Return peptides per second, the geometric mean of its bounds, or 0 if there is neither."""
    bounds = _speed_bounds(row)
    return _positive(row.get("peptides_per_s")) or (math.sqrt(math.prod(bounds)) if bounds else 0.0)


def _speed_bounds(row: Row) -> list[float]:
    bounds = [_positive(row.get(f"peptides_per_s_{end}")) for end in ("low", "high")]
    return bounds if all(bounds) else []


def _cost(hours: Sequence[Row], cloud: Sequence[Row], currency: str) -> Picture | None:
    """Draw hours by stage, and money at the lowest price of each card."""
    by_stage = {stage: _lengths(rows, "hours") for stage, rows in _groups(hours, "stage").items()}
    panels = {
        "hours": {stage: bars for stage, bars in by_stage.items() if bars},
        heading("money", currency): {"money": money} if (money := _lengths(cloud, "money")) else {},
    }
    panels = {label: panel for label, panel in panels.items() if panel}
    if not panels:
        return None
    title = "Hours and money by card"
    return as_picture(figure_of_bars(panels), title)


def _lengths(rows: Sequence[Row], key: str) -> dict[str, float]:
    """Return the least positive value of each card."""
    found: dict[str, float] = {}
    for row in rows:
        card, length = cell(row.get("card")), _positive(row.get(key))
        if length:
            found[card] = min(length, found.get(card, length))
    return found


def _speedup(rows: Sequence[Row]) -> Picture | None:
    """Draw a line for each card, and for each batch where a card has several."""
    named = [{**row, "name": _speedup_name(row, rows)} for row in rows]
    parts = _groups(named, "name").items()
    found = [Line(name, _points(part, "gpus", "speedup")) for name, part in parts]
    lines, note = _most(found, MOST_LINES - 1)
    most = max((x for line in lines for x in line.points), default=0.0)
    if most <= 1:
        return None
    lines = [*lines, Line("ideal", {1.0: 1.0, most: most}, is_reference=True)]
    figure, axes = figure_of_lines(lines, "cards", "speed-up", log=False)
    name_lines(axes, lines)
    title = "Speed-up by number of cards"
    return as_picture(figure, title, note)


def _speedup_name(row: Row, rows: Sequence[Row]) -> str:
    batches = {r.get("batch_per_card") for r in rows if r.get("card") == row.get("card")}
    batch = f", batch {cell(row.get('batch_per_card'))}" if len(batches) > 1 else ""
    return cell(row.get("card")) + batch


def _most(lines: Sequence[Line], most: int = MOST_LINES) -> tuple[list[Line], str]:
    """Return the first lines that have points, and a note if they are not all."""
    lines = [line for line in lines if line.points]
    note = f"The first {most} of {len(lines)} lines." if len(lines) > most else ""
    return list(lines[:most]), note


def _groups(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    """Return the rows by the text of a value, in order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(cell(row.get(key)), []).append(row)
    return groups


def _points(rows: Sequence[Row], x: str, y: str) -> dict[float, float]:
    pairs = ((_positive(row.get(x)), _positive(row.get(y))) for row in rows)
    return dict(sorted((a, b) for a, b in pairs if a and b))


def _positive(value: object) -> float:
    """Return a finite number above 0, or 0 for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    return float(value) if 0 < value < math.inf else 0.0
