"""Times and memory of the steps that the shipped calibration holds."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from benchmarks.common.record import RESULTS
from benchmarks.estimate.compare import Row, compared, largest_error, with_growth
from benchmarks.estimate.given_sizes import PER_GRAPH, GivenSizes, every_row, memory_of, workload
from pepland_model.estimate.calibration import FITTED, SHIPPED, Calibration
from pepland_model.estimate.cards import cards
from pepland_model.estimate.corpus import BatchSizes, Corpus
from pepland_model.estimate.memory import Memory
from pepland_model.estimate.work import KINDS

RESULT = RESULTS / "gpu-h100.json"
FROM = 512
"""Graphs from which the times of steps are tested."""
QUICK = 64, 8192


def shipped(corpus: Corpus) -> Calibration:
    """Return the calibration that comes with the package."""
    return Calibration.read(SHIPPED, cards(), corpus)


class MeasuredSteps:
    """The steps that were measured, and the estimate for the sizes that their arrays had.

    Args:
        corpus: whose tables the steps are counted with.
        quick: only the batch sizes of `QUICK`.
    """

    def __init__(self, corpus: Corpus, quick: bool = False) -> None:
        self.tables, self.calibration = corpus.tables, shipped(corpus)
        self.rows = [r for r in self.calibration.rows if not quick or r["batch"] in QUICK]

    @cached_property
    def memory(self) -> Memory:
        """Memory of the steps, all of them counted at once; its speeds have their times."""
        sizes = {(row["batch"], row["kind"]): row["sizes"] for row in self.rows}
        batches = dict.fromkeys(batch for batch, _ in sizes)
        given = {n: BatchSizes(*(sizes[n, kind] for kind in KINDS)) for n in batches}
        work = workload(GivenSizes(self.tables, given))
        for kind in KINDS:
            for precision in ("fp32", "bf16"):
                work.works(kind, precision, list(batches))
        return memory_of(work, self.calibration)


def h100_times(steps: MeasuredSteps) -> dict[str, Any]:
    """Return times of steps of the H100 that the shares were fitted to."""
    speeds, card = steps.memory.speeds, steps.calibration.card
    rows = []
    for row in steps.rows:
        one = speeds.of(row["kind"], card, row["precision"], row["batch"])
        times = compared("ms", 1e3 * one.step_s, row["ms"])
        rows.append({**about(row), "fitted": row["batch"] == FITTED, **times})
    tested = [row for row in rows if row["batch"] >= FROM and not row["fitted"]]
    return {
        "fitted_to": f"steps of {FITTED:,} graphs with each state once",
        "rows": rows,
        "largest_error_from_512": largest_error("ms", tested),
    }


def about(row: Row) -> Row:
    """Return what a step was."""
    return {name: row[name] for name in ("kind", "states", "precision", "batch")}


def h100_every_row(steps: MeasuredSteps) -> dict[str, Any]:
    """Return times of steps that compute every row; the shares were fitted to others."""
    found = json.loads(RESULT.read_text(encoding="utf-8"))["results"]["steps"]["found"]
    chosen = [row for row in found if row["states"] == "every row" and "ms" in row]
    atoms = {row["batch"]: row["batch"] * PER_GRAPH["atom"] for row in chosen}
    speeds = memory_of(workload(every_row(steps.tables, atoms), "never"), steps.calibration).speeds
    rows = []
    for row in chosen:
        one = speeds.of(row["kind"], steps.calibration.card, row["precision"], row["batch"])
        rows.append(
            {**about(row), **compared("ms", 1e3 * one.step_s, row["ms"]),
             "limit": one.limit, "card_alone_ms": round(1e3 * one.times.step_s, 4)}
        )  # fmt: skip
    return {"rows": rows, "largest_error": largest_error("ms", rows)}


def h100_memory(steps: MeasuredSteps) -> dict[str, Any]:
    """Return the peak memory of the same steps, and its growth from the smallest batch."""
    peaks = []
    for row in steps.rows:
        gib = steps.memory.used_gib(row["kind"], row["precision"], row["batch"])
        peaks.append({**about(row), **compared("gib", gib, row["peak_gib"])})
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
