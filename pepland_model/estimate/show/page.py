"""The page of an estimate: one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pepland_data.draw.page import check_packages, render
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
        MissingDependencyError: matplotlib or Jinja2 is not installed.
    """
    check_packages()
    about = document.get("about", {})
    shown = [answer for answer in answers(document) if answer.rows]
    page = render(
        "pepland_model.estimate.show/page.html.j2", heading=TITLE, about=about,
        currency=about.get("currency", ""), answers=shown, first=FIRST, drawn=pictures(document),
        cell=cell, columns=columns, is_numeric=is_numeric, words=heading,
    )  # fmt: skip
    write_atomic_bytes(Path(path), page)
