"""Parts of the HTML that an object shows in a notebook.

They inherit the colours of the page, so they are readable on light and on dark ones.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

LONGEST = 80
"""Longer texts are shortened (characters)."""
WIDE = "overflow-x:auto;max-width:100%"
CURVE_WIDTH, CURVE_HEIGHT = 220, 60
"""Size of a curve (pixels)."""


def shown_by(module: str, function: str) -> Callable[[Any], str]:
    """Return a ``_repr_html_`` that calls a function; a fault becomes a sentence.

    Args:
        module: name of the module; it is imported when an object is shown, so a class can be shown
            by a module that imports more than the class does.
        function: its function, from an object to HTML.
    """

    def _repr_html_(self: Any) -> str:
        try:
            return str(getattr(import_module(module), function)(self))
        except Exception as error:  # a notebook must go on
            name, why = type(self).__name__, " ".join(str(error).split())
            return f"<p><b>{name}</b> cannot be shown: {html.escape(why or repr(error))}</p>"

    return _repr_html_


def block(title: str, about: str, *parts: str) -> str:
    """Return parts of HTML below a line with a title and a text."""
    line = f"<b>{html.escape(title)}</b> {html.escape(about)}"
    return f'<div><p style="overflow-wrap:anywhere">{line}</p>{"".join(parts)}</div>'


def scrolled(part: str) -> str:
    """Return HTML that is scrolled where the page is narrower."""
    return f'<div style="{WIDE}">{part}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table, '' without rows; texts are escaped, numbers stand on the right."""
    body = list(rows)
    if not body:
        return ""
    lines = [_line("th", head, body[0]), *(_line("td", row, row) for row in body)]
    return scrolled(f'<table style="white-space:nowrap">{"".join(lines)}</table>')


def _line(tag: str, values: Sequence[Any], like: Sequence[Any]) -> str:
    """Return a row; each value stands on the side of the value in `like`."""
    sides = ("right" if isinstance(value, int | float) else "left" for value in like)
    cells = (
        f'<{tag} style="text-align:{side}">{html.escape(short(value))}</{tag}>'
        for value, side in zip(values, sides, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def plain(value: Any) -> str:
    """Return a value as text: numbers with four digits, thousands apart, lists with commas."""
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if type(value) is int else str(value)


def short(value: Any) -> str:
    """Return a value as a text of one line; long ones with their ends cut."""
    shown = " ".join(plain(value).split())
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def curve(title: str, points: Sequence[tuple[float, float]]) -> str:
    """Return values over steps as a line with its first and last value, '' for fewer than two."""
    if len(points) < 2:
        return ""
    (x0, x1), (y0, y1) = ((min(v), max(v)) for v in zip(*points, strict=True))
    across, up = CURVE_WIDTH / ((x1 - x0) or 1), CURVE_HEIGHT / ((y1 - y0) or 1)
    line = " ".join(f"{(x - x0) * across:.1f},{(y1 - y) * up:.1f}" for x, y in points)
    ends = f"{title}: {plain(points[0][1])} → {plain(points[-1][1])}"
    return (
        f'<div style="display:inline-block;margin:0 2em 1em 0"><div>{html.escape(ends)}</div>'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {CURVE_WIDTH + 4} '
        f'{CURVE_HEIGHT + 4}" width="{CURVE_WIDTH}" height="{CURVE_HEIGHT}" role="img">'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
        "</div>"
    )
