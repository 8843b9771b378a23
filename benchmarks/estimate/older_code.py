"""Steps of older code on an H100, which no part of the estimate was fitted to.

That code computed every row with operators of PyTorch, without kernels. Its measurements are in a
folder beside the checkout. The shares are fitted to its steps of one batch size and tested on the
others. `EAGER_US` of the estimate comes from its steps of 64 graphs, so only those from 512 graphs
are a test. Memory is counted; nothing of it is fitted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.estimate.compare import Row, compared, largest_error, with_growth
from benchmarks.estimate.given_sizes import every_row, memory_of, workload
from benchmarks.estimate.h100 import FROM, shipped
from pepland_model.estimate.calibration import FITTED, fit
from pepland_model.estimate.corpus import Corpus
from pepland_model.estimate.memory import Memory
from pepland_model.estimate.work import COUNTED
from pepland_model.measure import dry_card

SHARDS, STEPS = "data/gpu/h100_shards.json", "data/gpu/h100_steps.json"
FITS = ("fp32", "tf32", "bf16")
"""Precisions of the steps that the shares are fitted to."""


def older_code(corpus: Corpus, shared: str, quick: bool = False) -> dict[str, Any]:
    """Return times and memory of the older code, or why there are none.

    Args:
        corpus: whose tables the steps are counted with.
        shared: folder with the measurements.
        quick: only float32 and two batch sizes.
    """
    missing = [name for name in (SHARDS, STEPS) if not (Path(shared) / name).is_file()]
    if missing:
        return {"left_out": f"{missing[0]} is not in the folder that --shared names"}
    measured = [
        row for row in [*of_shards(Path(shared)), *of_steps(Path(shared))]
        if not quick or (row["precision"] == "fp32" and row["batch"] in (FROM, FITTED))
    ]  # fmt: skip
    with patch.object(dry_card, "CARDS", set()):
        memory = counted_steps(corpus, measured)
        rows = [row | predicted(memory, row) for row in measured]
    rows = with_growth(rows, lambda row: (row["source"], row["precision"]))
    larger = [row for row in rows if row["batch"] >= FROM]
    tested = [row for row in larger if not row["fitted"]]
    return {
        "fitted_to": f"training steps of {FITTED:,} graphs of {SHARDS}, {', '.join(FITS)}",
        "shares": memory.speeds.calibration.document()["training"],
        "rows": rows,
        "largest_error_from_512_ms": largest_error("ms", tested),
        "largest_error_of_growth_from_512": largest_error("growth_gib", larger),
    }


def of_shards(shared: Path) -> Iterator[Row]:
    """Yield the training steps that computed every row, by precision and batch size."""
    document = json.loads((shared / SHARDS).read_text(encoding="utf-8"))
    for name, sizes in document.items():
        if name.startswith("every row"):
            for batch, found in sizes.items():
                yield step(Path(SHARDS), name.split()[-1], int(batch), found["atoms"],
                           found["train_ms"], found["train_gib"])  # fmt: skip


def of_steps(shared: Path) -> Iterator[Row]:
    """Yield those of an earlier run."""
    document = json.loads((shared / STEPS).read_text(encoding="utf-8"))
    for name, found in document.items():
        if isinstance(found, Mapping) and "every_row_ms" in found:
            yield step(Path(STEPS), name.split()[0], found["graphs"], found["atoms"],
                       found["every_row_ms"], found["every_row_gib"])  # fmt: skip


def step(source: Path, precision: str, batch: int, atoms: int, ms: float, gib: float) -> Row:
    """Return one measured step."""
    fitted = source.name == Path(SHARDS).name and batch == FITTED and precision in FITS
    return {"source": source.name, "precision": precision, "batch": batch, "atoms": atoms,
            "ms": ms, "gib": gib, "fitted": fitted}  # fmt: skip


def counted_steps(corpus: Corpus, measured: Sequence[Row]) -> Memory:
    """Return the steps, counted, with shares fitted to some of them.

    It is called, and the result used, where no kernels run.
    """
    atoms = {row["batch"]: row["atoms"] for row in measured}
    calibration = shipped(corpus)
    work = workload(every_row(corpus.tables, atoms), "never")
    for precision in set(COUNTED.values()):
        work.works("training", precision, list(atoms))
    rows = [row for row in measured if row["fitted"]]
    works = [work.work("training", row["precision"], row["batch"]) for row in rows]
    shares = {"training": fit(works, rows, calibration.card)}
    return memory_of(work, replace(calibration, shares=shares))


def predicted(memory: Memory, row: Row) -> Row:
    """Return time and memory of a step, predicted beside measured."""
    work = memory.work.work("training", row["precision"], row["batch"])
    speed = memory.speeds.of("training", memory.speeds.calibration.card, row["precision"],
                             row["batch"])  # fmt: skip
    return {**compared("ms", 1e3 * speed.step_s, row["ms"]), "limit": speed.limit,
            **compared("gib", work.peak_bytes / 2**30, row["gib"])}  # fmt: skip
