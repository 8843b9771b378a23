"""A prediction beside its measurement, and the largest error of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Row = dict[str, Any]


def compared(unit: str, predicted: float, measured: float) -> Row:
    """Return a prediction and a measurement in a unit, and the error as a share of the latter."""
    return {
        f"predicted_{unit}": round(predicted, 4),
        f"measured_{unit}": round(measured, 4),
        f"error_{unit}": round(predicted / measured - 1, 4),
    }


def largest_error(unit: str, rows: Iterable[Row]) -> float | None:
    """Return the largest error of some rows, without its sign; None if none was compared."""
    return max((abs(row[f"error_{unit}"]) for row in rows if f"error_{unit}" in row), default=None)


def with_growth(rows: Sequence[Row], series: Callable[[Row], Any]) -> list[Row]:
    """Return rows of memory, with its growth from the smallest batch of the same series.

    What was in use before a step is in all measurements of a series, and in no difference of two.

    Args:
        rows: of `compared`, with ``batch``.
        series: says which series a row belongs to.
    """
    smallest: dict[Any, Row] = {}
    for row in sorted(rows, key=lambda row: row["batch"]):
        smallest.setdefault(series(row), row)
    return [row | growth(row, smallest[series(row)]) for row in rows]


def growth(row: Row, first: Row) -> Row:
    """Return the growth of the memory from another batch; {} from the same."""
    if row["batch"] == first["batch"]:
        return {}
    more = {name: row[f"{name}_gib"] - first[f"{name}_gib"] for name in ("predicted", "measured")}
    return {"from_batch": first["batch"]} | compared("growth_gib", **more)
