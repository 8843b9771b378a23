"""Predictions beside measurements: rows with ``predicted_UNIT`` and ``measured_UNIT``."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.common.record import RESULTS
from benchmarks.resources.documents import CORPORA, Row, result
from benchmarks.resources.tables import Table
from pepland_model.estimate.show.tables import cell

RESULT = "estimate_checks"
TIMES, EVERY_ROW = "h100_times", "h100_every_row"
"""Parts of the steps that the shipped calibration holds, and of those of every row."""
MEMORY = "h100_memory"
LEFTOVERS = (MEMORY, "older_code")
"""Parts whose peaks of memory hold what earlier parts of the process had left. The growth with the
batch does not; of `MEMORY` only that to the largest batch is above the changes of what was left."""
PRECISIONS = ("bf16", "tf32", "fp32")
PREDICTED, MEASURED = "predicted_", "measured_"


def parts() -> dict[str, Any]:
    """Return the parts of the checks; without their result, the steps of the calibration."""
    if (RESULTS / f"{RESULT}.json").exists():
        return result(RESULT)
    return {TIMES: result(f"estimate-{CORPORA[0]}")["calibrated_steps"]}


def rows_in(part: Any) -> Iterator[Row]:
    """Yield all rows with a prediction and its measurement, wherever they are."""
    if isinstance(part, Mapping):
        if any(units(part)):
            yield dict(part)
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from rows_in(one)


def units(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the units of which a row has a prediction and a measurement."""
    for key in row:
        unit = key.removeprefix(PREDICTED)
        if unit != key and row.get(MEASURED + unit):
            yield unit


def errors(name: str, rows: list[Row]) -> dict[str, list[float]]:
    """Return unit -> errors without their signs, as shares of what was measured.

    Rows that something was fitted to are left out, and memory that holds what earlier parts of the
    process had left.
    """
    found: dict[str, list[float]] = {}
    largest = max((row.get("batch", 0) for row in rows), default=0)
    for row in rows:
        if row.get("fitted"):
            continue
        for unit in units(row):
            if name in LEFTOVERS and unit == "gib":
                continue
            if name == MEMORY and row["batch"] < largest:
                continue
            error = abs(row[PREDICTED + unit] / row[MEASURED + unit] - 1)
            found.setdefault(unit, []).append(error)
    return found


def summary(found: Mapping[str, Any]) -> Table:
    """Return how many figures of each part were compared, and their errors."""
    rows = [
        [name, unit, cell(len(each)), f"{statistics.median(each):.1%}", f"{max(each):.1%}"]
        for name, part in found.items()
        for unit, each in errors(name, list(rows_in(part))).items()
    ]
    return Table(["part", "figure", "rows", "median error", "largest error"], rows)


def times(found: Mapping[str, Any]) -> Table:
    """Return the steps of the H100, milliseconds predicted / measured."""
    steps: dict[tuple[str, str, int], dict[str, str]] = {}
    for row in rows_in([found.get(part, []) for part in (TIMES, EVERY_ROW)]):
        key = (row["kind"], row["states"], row["batch"])
        pair = f"{cell(row['predicted_ms'])} / {cell(row['measured_ms'])}"
        steps.setdefault(key, {})[row["precision"]] = pair
    rows = [
        [kind, states, cell(batch), *(pairs.get(p, "-") for p in PRECISIONS)]
        for (kind, states, batch), pairs in sorted(steps.items(), reverse=True)
    ]
    return Table(["kind", "states", "batch", *(f"{p}, ms" for p in PRECISIONS)], rows)
