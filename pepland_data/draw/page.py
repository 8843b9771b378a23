"""Reports as HTML pages that need no other file: one frame, one look, one set of filters."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from pepland_data.draw.figures import number_text
from pepland_data.errors import MissingDependencyError
from pepland_data.html_parts import plain

TEXT = 240
"""Characters of a text; the rest is left out."""


def missing_packages() -> str:
    """Return the packages of pages that are not installed, "" if there are none."""
    return " and ".join(name for name in ("matplotlib", "jinja2") if not find_spec(name))


def check_packages() -> None:
    """Raise MissingDependencyError if matplotlib or Jinja2 is not installed."""
    if missing := missing_packages():
        raise MissingDependencyError(f"pages need {missing}; install 'pepland-data[report]'")


def render(template: str, **values: Any) -> bytes:
    """Return a page in UTF-8.

    Args:
        template: package and file, as "pepland_data.report/page.html.j2". It extends
            "pepland_data.draw/frame.html.j2"; "pepland_data.draw/parts.html.j2" has macros.
        values: what it shows.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=FunctionLoader(_text),
    )  # fmt: skip
    environment.filters |= {
        "number": number, "percent": percent, "plain": plain, "shortened": shortened
    }  # fmt: skip
    return environment.get_template(template).render(values).encode("utf-8", "replace")


def _text(template: str) -> str:
    package, _, name = template.partition("/")
    return files(package).joinpath(name).read_text(encoding="utf-8")


def number(value: float | None) -> str:
    """Return a number as text, "-" for None."""
    return "-" if value is None else number_text(value)


def percent(share: float | None) -> str:
    """Return a share as text, "-" for None. A share that is neither 0 nor 1 is never shown so."""
    if share is None:
        return "-"
    if 0 < share < 0.0005:
        return "<\u00a00.1\u00a0%"
    return ">\u00a099.9\u00a0%" if 0.9995 < share < 1 else f"{100 * share:.3g}\u00a0%"


def shortened(text: str) -> str:
    """Return a text that fits into a page."""
    return text if len(text) <= TEXT else f"{text[:TEXT]}…"
