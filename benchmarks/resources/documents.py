"""The result files that the pages are made from, and figures of them by answer and row."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.record import RESULTS
from pepland_model.estimate.show.tables import cell

HERE = Path(__file__).parent
CORPORA = ("canonical", "cycpeptmpdb", "mixed")
"""Corpora of the tables; what is said of one corpus is said of the first."""
Row = dict[str, Any]


def result(name: str) -> dict[str, Any]:
    """Return the results of a benchmark."""
    document = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return dict(document["results"])


def data(name: str) -> dict[str, Any]:
    """Return a data file of this folder."""
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Estimated:
    """The estimate of a corpus, with each state once and with every row."""

    name: str
    results: dict[str, Any]

    @classmethod
    def read(cls, name: str) -> Estimated:
        """Read the estimate of a corpus."""
        return cls(name, result(f"estimate-{name}"))

    @property
    def about(self) -> Row:
        """What the corpus is."""
        return dict(self.results["once"]["about"])

    def rows(self, answer: str, states: str = "once", **wanted: Any) -> list[Row]:
        """Return the rows of an answer that have some values.

        Args:
            answer: its name.
            states: ``once`` or ``every_row``.
            wanted: column -> value.
        """
        found = {one["name"]: one["rows"] for one in self.results[states]["answers"]}
        return [row for row in found[answer] if all(row[k] == v for k, v in wanted.items())]

    def value(self, answer: str, column: str, states: str = "once", **wanted: Any) -> Any:
        """Return a value of the first of these rows."""
        return self.rows(answer, states, **wanted)[0][column]

    def text(self, answer: str, column: str, states: str = "once", **wanted: Any) -> str:
        """Return a value of the first of these rows as a page shows it."""
        return cell(self.value(answer, column, states, **wanted), column)
