"""One answer of an estimate: a table, with what a reader must know about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A table of an estimate."""

    name: str
    """Key in the JSON document."""
    title: str
    """Heading."""
    rows: list[dict[str, Any]]
    """Rows with the same keys. A key ends with its unit: ``memory_gib``, ``step_ms``, ``power_w``,
    ``bandwidth_gb_per_s``. Values are numbers, texts, or None where there is no figure."""
    notes: tuple[str, ...] = ()
    """Sentences below the table: where figures come from, what they leave out."""
