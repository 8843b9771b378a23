"""Lines and bars as SVG, readable on light and dark pages."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from pepland_data.errors import MissingDependencyError

INK = "#010203"
"""Colour of text and axes while drawing; `currentColor` in the SVG."""
COLORS = ("#0072b2", "#d55e00", "#009e73", "#6c3cfc", "#cc003c", "#6c78fc", "#846084", "#e400c0")
"""Contrast of at least 3 with white and with dark grey. The first three are of Okabe and Ito.

The least CIE76 difference of two, as people with protanopia or deuteranopia see them (Machado et
al. 2009), is 37 for the first four and 17 for all.
"""
MARKS = "os^DvPX*"
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
"""Kinds of lines, for readers who see no difference in colour."""
WIDTH, HEIGHT, HISTOGRAM_HEIGHT, BAR_HEIGHT = 5.0, 3.6, 2.6, 0.17
"""Inches."""
MARGINS = 0.13, 0.17, 0.84, 0.69, 0.12
"""Left, bottom, width and height of the axes of curves, and height of a legend, as shares."""
TEXT_HEIGHT = 0.058
"""Height of a line of text as a share of the axes."""
MOST_TICKS = 6
MOST_MARKS = 30
"""A curve of more points has no marks."""
WIDE = 10.0
"""Largest over least value, above which the axis of losses is logarithmic."""
STYLE = {
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.6,
    "font.size": 9,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "text.parse_math": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Line:
    """A line of a picture."""

    name: str
    points: Mapping[float, float]
    """x -> y in order of x, both positive."""
    bounds: Mapping[float, Sequence[float]] = field(default_factory=dict)
    """x -> least and greatest y; empty for a line that was measured."""
    is_reference: bool = False
    """Whether it is what others are compared with."""


class Picture(NamedTuple):
    """A picture with its caption."""

    title: str
    """Heading, a plain text."""
    note: str
    """What a reader must know, a plain text; may be ""."""
    svg: str
    """An ``<svg>`` element, see `as_picture`."""


def number_text(value: float) -> str:
    """Return a number as text: integers exactly, others with three digits, or four from 1,000.

    "-" stands for numbers that are not finite.
    """
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "-"
    if abs(value) < 999.5:
        return f"{value:.3g}"
    return f"{float(f'{value:.4g}'):,.0f}"


@contextmanager
def style() -> Iterator[None]:
    """Let matplotlib draw in the style of these pictures, whatever its settings.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib.style
    except ImportError as error:
        raise MissingDependencyError(
            f"pictures need matplotlib ({error}); "
            "install it with `pip install 'pepland-data[report]'`"
        ) from error
    with matplotlib.style.context(["default", STYLE]):
        yield


def empty_figure(x: str, y: str, height: float = HEIGHT) -> tuple[Any, Any]:
    """Return a figure and its axes.

    Args:
        x: label of the axis.
        y: label of the axis.
        height: inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot(xlabel=x, ylabel=y)


def figure_of_histograms(
    edges: Sequence[float], heights: Mapping[str, Sequence[float]], x: str, y: str
) -> tuple[Any, Any]:
    """Draw outlines of histograms over each other and return the figure and its axes.

    Args:
        edges: [B+1] edges of the bins.
        heights: name -> [B]. Several names have a legend, and lines of different kinds.
        x: label of the axis.
        y: label of the axis.
    """
    figure, axes = empty_figure(x, y, HISTOGRAM_HEIGHT)
    for i, (name, values) in enumerate(heights.items()):
        color = COLORS[i % len(COLORS)]
        axes.stairs(values, edges, fill=True, color=color, alpha=0.15)
        dash = DASHES[i % len(DASHES)]
        axes.stairs(values, edges, color=color, label=name, linestyle=dash, linewidth=1.6)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, None))
    if len(heights) > 1:
        _draw_legend(axes, len(heights))
    return figure, axes


def _draw_legend(axes: Any, names: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, ncols=min(names, 4))


def figure_of_lines(lines: Sequence[Line], x: str, y: str, log: bool) -> tuple[Any, Any]:
    """Draw lines and return the figure and its axes; `name_lines` adds their names.

    Args:
        lines: at least one.
        x: label of the axis, which has ticks at the points.
        y: label of the axis.
        log: whether the axes are logarithmic.
    """
    figure, axes = empty_figure(x, y)
    if log:
        axes.set(xscale="log", yscale="log")
    for i, line in enumerate(lines):
        _draw(axes, line, COLORS[i % len(COLORS)], MARKS[i % len(MARKS)])
    _set_ticks(axes, sorted({x for line in lines for x in line.points}), log)
    return figure, axes


def _draw(axes: Any, line: Line, color: str, mark: str) -> None:
    x, y = list(line.points), list(line.points.values())
    if line.is_reference:
        axes.plot(x, y, ":", color=INK, linewidth=1.2)
        return
    axes.plot(x, y, "--" if line.bounds else "-", color=color, marker=mark)
    if line.bounds:
        low, high = zip(*line.bounds.values(), strict=True)
        axes.fill_between(list(line.bounds), low, high, color=color, alpha=0.1, linewidth=0)


def _set_ticks(axes: Any, x: Sequence[float], log: bool) -> None:
    axes.set_xticks(x[:: -math.ceil(len(x) / MOST_TICKS)])
    _set_number_texts(axes, log, number_text)


def _set_number_texts(axes: Any, log: bool, text: Callable[[float], str]) -> None:
    """Write numbers at the ticks of both axes; a logarithmic y axis has them at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: text(float(value))))
    if log:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))


def name_lines(axes: Any, lines: Sequence[Line]) -> None:
    """Write the names of lines right of their ends, where they do not cover each other."""
    ends = [_as_shares(axes, *list(line.points.items())[-1]) for line in lines]
    for i, height in enumerate(spread([y for _, y in ends], TEXT_HEIGHT)):
        color = INK if lines[i].is_reference else COLORS[i % len(COLORS)]
        leader = ([ends[i][0], 1.02, 1.05], [ends[i][1], height, height])
        axes.plot(*leader, transform=axes.transAxes, clip_on=False, color=color, linewidth=0.7)
        axes.text(1.06, height, lines[i].name, transform=axes.transAxes, va="center")


def _as_shares(axes: Any, x: float, y: float) -> tuple[float, float]:
    """Return a point of the data as shares of the width and height of the axes."""
    axes.autoscale_view()
    at_x, at_y = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
    return float(at_x), float(at_y)


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Return heights at least `gap` apart, in the order of those wanted and near them.

    Args:
        wanted: heights as shares of the axes.
        gap: least distance of two; the highest is at most 1 if all fit.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    heights = list(wanted)
    for below, i in pairwise(order):
        heights[i] = max(heights[i], heights[below] + gap)
    ceiling = 1.0
    for i in reversed(order):
        heights[i] = min(heights[i], ceiling)
        ceiling = heights[i] - gap
    return heights


def figure_of_curves(panels: Mapping[str, Sequence[Line]], x: str, log: bool = False) -> Any:
    """Draw panels side by side, each with many points per line and a legend, as one figure.

    Args:
        panels: label of the axis -> lines; at least one. A reference is dashed, at the height of
            its first point.
        x: label of the other axis.
        log: whether an axis is logarithmic where its values are positive and far apart.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH * len(panels), HISTOGRAM_HEIGHT))
    left, bottom, width, height, legend = MARGINS
    for i, (label, lines) in enumerate(panels.items()):
        tall = height + legend * (len(lines) == 1)
        place = (i + left) / len(panels), bottom, width / len(panels), tall
        axes = figure.add_axes(place, xlabel=x, ylabel=label)
        _draw_curves(axes, lines, log and _are_wide(lines))
    return figure


def _are_wide(lines: Sequence[Line]) -> bool:
    values = [y for line in lines for y in line.points.values()]
    return min(values) > 0 and max(values) > WIDE * min(values)


def _draw_curves(axes: Any, lines: Sequence[Line], log: bool) -> None:
    for line, color, dash, mark in zip(lines, COLORS, DASHES, MARKS, strict=False):
        x, y = list(line.points), list(line.points.values())
        if line.is_reference:
            axes.axhline(y[0], linestyle="--", color=INK, linewidth=1.2, label=line.name)
            continue
        mark = mark if len(x) <= MOST_MARKS else ""
        axes.plot(x, y, linestyle=dash, color=color, marker=mark, label=line.name)
    if log:
        axes.set_yscale("log")
    _set_number_texts(axes, log, "{:,.6g}".format)
    axes.locator_params(axis="x", integer=True)
    if len(lines) > 1:
        _draw_legend(axes, len(lines))


def figure_of_dots(x: Sequence[float], y: Sequence[float], names: tuple[str, str]) -> Any:
    """Draw a dot for each pair of values, and the dashed line where both are equal.

    Args:
        x: [N], at least one.
        y: [N].
        names: labels of the axes of x and y.
    """
    figure, axes = empty_figure(*names)
    axes.plot(x, y, "o", color=COLORS[0], alpha=0.7, markeredgewidth=0)
    ends = min(*x, *y), max(*x, *y)
    axes.plot(ends, ends, "--", color=INK, linewidth=1.2)
    return figure


def draw_levels(axes: Any, levels: Mapping[tuple[float, ...], str]) -> None:
    """Draw grey horizontal lines in groups, the name of each group above its highest line."""
    for heights, name in levels.items():
        for y in heights:
            axes.axhline(y, color=INK, alpha=0.45, linewidth=0.9)
        at = {"va": "bottom", "transform": axes.get_yaxis_transform()}
        axes.text(0.01, max(heights), name, size="small", alpha=0.8, **at)


def figure_of_bars(panels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Any:
    """Draw horizontal bars in panels side by side and return the figure.

    Args:
        panels: label of the axis -> name of the bars -> what -> length. All panels have the same
            rows; a length that is absent has no bar.
    """
    from matplotlib.figure import Figure

    bars = [(name, lengths) for panel in panels.values() for name, lengths in panel.items()]
    rows = list(dict.fromkeys(row for _, lengths in bars for row in lengths))
    height = max(HEIGHT / 2, 0.8 + BAR_HEIGHT * len(rows) * (0.6 + max(map(len, panels.values()))))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    colors = iter(COLORS * len(bars))
    for i, (label, panel) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), i + 1, xlabel=label)
        _draw_bars(axes, panel, rows, colors)
        axes.tick_params(axis="y", length=0, labelleft=i == 0)
    return figure


def _draw_bars(
    axes: Any, panel: Mapping[str, Mapping[str, float]], rows: Sequence[str], colors: Iterator[str]
) -> None:
    thickness = 0.8 / len(panel)
    for i, (name, bars) in enumerate(panel.items()):
        y = [rows.index(row) + (i + 0.5) * thickness - 0.4 for row in bars]
        drawn = axes.barh(y, list(bars.values()), 0.9 * thickness, color=next(colors), label=name)
        axes.bar_label(
            drawn, [number_text(length) for length in bars.values()], padding=2, size="small"
        )
    axes.set_yticks(range(len(rows)), rows)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xmargin=0.25)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="y", visible=False)
    if len(panel) > 1:
        _draw_legend(axes, len(panel))


def as_picture(figure: Any, title: str, note: str = "") -> Picture:
    """Return a figure as a picture for a page: the same bytes for the same figure.

    Args:
        figure: a figure of matplotlib.
        title: different for each picture of a page; the names of its parts depend on it.
        note: what a reader must know.
    """
    import matplotlib

    file = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": title}):
        figure.savefig(file, format="svg", transparent=True, metadata=no_metadata)
    return Picture(title, note, _for_a_page(file.getvalue(), title))


def _for_a_page(svg: str, title: str) -> str:
    """Remove what would reach beyond the element: its size, names of groups, and rules of style."""
    svg = svg[svg.index("<svg") :]
    size = re.search(r'viewBox="[^"]*"', svg)
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{size[0] if size else ""} role="img" stroke-linejoin="round">'
        f"<title>{html.escape(title)}</title>"
    )
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg).replace(INK, "currentColor")
    return root + svg[svg.index(">") + 1 :].strip()
