"""Times and memory of the steps that the shipped calibration holds."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common.record import RESULTS
from benchmarks.estimate.compare import Row, compared, largest_error, with_growth
from benchmarks.estimate.given_sizes import PER_GRAPH, GivenSizes, every_row, memory_of, workload
from pepland_data.batch.arrays import BatchTables
from pepland_model.estimate.calibration import FITTED, SHIPPED, Calibration
from pepland_model.estimate.cards import cards
from pepland_model.estimate.corpus import BatchSizes, Corpus
from pepland_model.estimate.memory import Memory
from pepland_model.estimate.work import KINDS

RESULT = RESULTS / "gpu-h100.json"
FROM = 512
"""Graphs from which times shall be within 30 %."""
QUICK = 64, 8192


def shipped(corpus: Corpus) -> Calibration:
    """Return the calibration that comes with the package."""
    return Calibration.read(SHIPPED, cards(), corpus)


def measured_steps(tables: BatchTables, calibration: Calibration, batches: set[int]) -> Memory:
    """Return the estimate for the sizes that the measured steps had."""
    sizes = {(row["kind"], row["batch"]): row["sizes"] for row in calibration.rows}
    given = {n: BatchSizes(*(sizes[kind, n] for kind in KINDS)) for n in batches}
    memory = memory_of(workload(GivenSizes(tables, given)), calibration)
    for kind in KINDS:
        for precision in ("fp32", "bf16"):
            memory.work.works(kind, precision, sorted(batches))
    return memory


def rows_of(calibration: Calibration, quick: bool) -> list[Row]:
    """Return the measured steps; those of two batch sizes in a quick run."""
    return [row for row in calibration.rows if not quick or row["batch"] in QUICK]


def h100_times(corpus: Corpus, quick: bool = False) -> dict[str, Any]:
    """Return times of steps of the H100 that the shares were fitted to."""
    calibration = shipped(corpus)
    chosen = rows_of(calibration, quick)
    speeds = measured_steps(corpus.tables, calibration, {row["batch"] for row in chosen}).speeds
    rows = [
        {**about(row), "fitted": row["batch"] == FITTED, **compared(
            "ms", 1e3 * speeds.of(row["kind"], calibration.card, row["precision"],
                                  row["batch"]).step_s, row["ms"])}
        for row in chosen
    ]  # fmt: skip
    rows += every_row_times(corpus.tables, calibration)
    return {
        "fitted_to": f"steps of {FITTED:,} graphs with each state once",
        "rows": rows,
        "largest_error_from_512": largest_error(
            "ms", [row for row in rows if row["batch"] >= FROM and not row["fitted"]]
        ),
    }  # fmt: skip


def about(row: Row) -> Row:
    """Return what a step was."""
    return {name: row[name] for name in ("kind", "states", "precision", "batch")}


def every_row_times(tables: BatchTables, calibration: Calibration) -> list[Row]:
    """Return times of steps that compute every row; the shares were fitted to others."""
    found = json.loads(RESULT.read_text(encoding="utf-8"))["results"]["steps"]["found"]
    chosen = [row for row in found if row["states"] == "every row" and "ms" in row]
    atoms = {row["batch"]: row["batch"] * PER_GRAPH["atom"] for row in chosen}
    speeds = memory_of(workload(every_row(tables, atoms), "never"), calibration).speeds
    rows = []
    for row in chosen:
        one = speeds.of(row["kind"], calibration.card, row["precision"], row["batch"])
        rows.append(
            {**about(row), "fitted": False, **compared("ms", 1e3 * one.step_s, row["ms"]),
             "limit": one.limit, "card_alone_ms": round(1e3 * one.times.step_s, 4)}
        )  # fmt: skip
    return rows


def h100_memory(corpus: Corpus, quick: bool = False) -> dict[str, Any]:
    """Return the peak memory of the same steps, and its growth from the smallest batch."""
    calibration = shipped(corpus)
    chosen = rows_of(calibration, quick)
    memory = measured_steps(corpus.tables, calibration, {row["batch"] for row in chosen})
    peaks = [
        {**about(row), **compared(
            "gib", memory.used_gib(row["kind"], row["precision"], row["batch"]), row["peak_gib"])}
        for row in chosen
    ]  # fmt: skip
    rows = with_growth(peaks, lambda row: (row["kind"], row["precision"]))
    left = [row["measured_gib"] - row["predicted_gib"] for row in rows]
    full = [row for row in rows if row["batch"] == max(row["batch"] for row in rows)]
    return {
        "why_growth": "The measured peaks hold what earlier parts of the process had left. It is "
        "in each of them, so the growth from the smallest batch is compared. The growth to small "
        "batches is as large as the changes of what was left, so only that to the largest counts.",
        "measured_without_predicted_gib": {"least": min(left), "most": max(left)},
        "rows": rows,
        "largest_error_of_growth_to_largest": {
            kind: largest_error("growth_gib", [row for row in full if row["kind"] == kind])
            for kind in KINDS
        },
    }
