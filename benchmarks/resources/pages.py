"""The pages as texts, from templates in two languages, figures and tables."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.resources.checks import parts, summary, times
from benchmarks.resources.documents import CORPORA, HERE, Estimated, data
from benchmarks.resources.facts import facts
from benchmarks.resources.tables import tables
from benchmarks.resources.words import markdown

PAGES = {"resources.md": False, "resources.zh.md": True}
"""Page in ``docs`` -> whether it is Chinese; its template has the same name."""


def pages() -> dict[str, str]:
    """Return the text of each page."""
    corpora = [Estimated.read(name) for name in CORPORA]
    found = parts()
    drawn = tables(corpora) | {"checks": summary(found), "times": times(found)}
    known = {"f": facts(corpora[0]), "p": data("published"), "c": data("ceilings"),
             "about": corpora[0].about}  # fmt: skip
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["thousands"] = "{:,}".format

    def page(name: str, chinese: bool) -> str:
        shown: dict[str, Any] = {key: markdown(table, chinese) for key, table in drawn.items()}
        return environment.get_template(f"{name}.j2").render(known, t=shown)

    return {name: page(name, chinese) for name, chinese in PAGES.items()}
