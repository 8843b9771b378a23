"""The page of an estimate: one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from pepland_data.files.atomic import write_atomic_bytes
from pepland_model.estimate.show.charts import pictures
from pepland_model.estimate.show.tables import TITLE, answers, cell, columns, heading, is_numeric

FIRST = "quick"
"""Name of the answer above the pictures."""


def write_page(document: Mapping[str, Any], path: str | Path) -> None:
    """Write a document of ``pepland-bench estimate`` as one HTML file.

    Args:
        document: ``about`` and ``answers``, see `answer.Answer`. Answers without rows are left out.
        path: file to write; its folder is made.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    about = document.get("about", {})
    page = _template().render(
        title=TITLE,
        about=about,
        currency=about.get("currency", ""),
        answers=sorted(
            (answer for answer in answers(document) if answer.rows),
            key=lambda answer: answer.name != FIRST,
        ),
        first=FIRST,
        pictures=pictures(document),
    )
    write_atomic_bytes(Path(path), page.encode("utf-8", "replace"))


def _template() -> Any:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"cell": cell, "heading": heading, "columns": columns}
    environment.tests["numeric"] = is_numeric
    text = files("pepland_model.estimate.show").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text)
