"""Steps on the CPU at hand: time and memory, predicted beside measured.

The shares of `pepland_model.estimate.calibration` are fitted to the steps of the middle batch size,
with measured ceilings of one thread in place of a card's data sheet. The smaller and the larger
batch test them. Nothing of the memory is fitted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch

from benchmarks.common.commands import ONE_THREAD
from benchmarks.estimate.compare import Row, compared, largest_error
from pepland_model.estimate.calibration import fit, step_times
from pepland_model.estimate.cards import PRECISIONS, Card
from pepland_model.estimate.work import KINDS, Work
from pepland_model.measure.dry_steps import CPU
from pepland_model.measure.operator_counts import Counts
from pepland_model.measure.roofline import Ceilings, measure_ceilings

BATCHES = {"once": (64, 128, 256), "every row": (16, 32, 64)}
"""States -> graphs of the steps, the middle one for the fit."""
QUICK = {"once": (4, 8, 16)}
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Makes glibc give memory back to the system as soon as a tensor ends (mallopt(3)); without it,
resident memory is also what the allocator keeps for later."""
WHAT_LIMITS = (
    "Processor time of one thread, as the machine has other load. Time: the search for equal "
    "states runs in numpy, where no operators are counted; search_ms is its time, which is taken "
    "out of the measured time. The three figures of a fit come from one batch size, so they need "
    "not be the launch cost and the shares themselves. Memory: growth of resident memory in a "
    "step, beside the peak of the tensors that the step makes. host_arrays_mib are arrays of numpy "
    "in the search, measured and not predicted: they are no tensors."
)


def cpu(store: str, quick: bool = False) -> dict[str, Any]:
    """Return steps on the CPU at hand.

    Args:
        store: folder of the graphs.
        quick: few graphs, each state once.
    """
    ceilings = one_thread_ceilings(0.1 if quick else 0.6)
    batches = QUICK if quick else BATCHES
    cases = [
        {"kind": kind, "states": states, "batch": batch, "fitted": batch == sizes[1]}
        for states, sizes in batches.items() for kind in KINDS for batch in sizes
    ]  # fmt: skip
    measured = [case | run_case(store, case, 0.0 if quick else 0.5) for case in cases]
    rows = [row | memory(row) for row in measured]
    for kind in KINDS:
        add_times([row for row in rows if row["kind"] == kind], card_of(ceilings))
    tested = [row for row in rows if not row["fitted"]]
    return {
        "what_limits": WHAT_LIMITS,
        "ceilings": {"gflops": ceilings.gflops, "gb_per_s": ceilings.gbs},
        "rows": rows,
        "largest_error_ms": largest_error("ms", tested),
        "largest_error_mib": largest_error("mib", rows),
    }


def one_thread_ceilings(seconds: float) -> Ceilings:
    """Return the best matrix product and the best copy of one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure_ceilings(CPU, torch.float32, seconds, time.process_time)
    finally:
        torch.set_num_threads(threads)


def run_case(store: str, case: Row, seconds: float) -> Row:
    """Return what a process of its own measured and counted of one kind of step."""
    named = [str(case[name]) for name in ("kind", "states", "batch")]
    command = [sys.executable, "-m", "benchmarks.estimate.cpu_case", store, *named, str(seconds)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=ONE_THREAD | GIVES_BACK
    )
    return dict(json.loads(done.stdout))


def memory(row: Row) -> Row:
    """Return the memory of a step, predicted beside measured."""
    return compared("mib", row["tensors_mib"], row["rss_growth_mib"])


def add_times(rows: Sequence[Row], card: Card) -> None:
    """Fit the shares to some rows of one kind, and add the times to all of them."""
    works = [Work({"step": counts_of(row)}, {}) for row in rows]
    chosen = [(w, row | {"precision": "fp32"}) for w, row in zip(works, rows, strict=True)
              if row["fitted"]]  # fmt: skip
    shares = fit([w for w, _ in chosen], [row for _, row in chosen], card)
    for work, row in zip(works, rows, strict=True):
        ms = 1e3 * step_times(work, card, "fp32", shares, card).step_s
        row |= compared("ms", ms, row["ms"])
        row["shares"] = {"launch_us": shares.launch_us, "bandwidth": shares.bandwidth,
                         "products": shares.products["fp32"]}  # fmt: skip


def counts_of(row: Row) -> Counts:
    """Return the counts of a row."""
    return Counts(**{f.name: row[f.name] for f in fields(Counts)})


def card_of(ceilings: Ceilings) -> Card:
    """Return the CPU as a card: bandwidth and peak are the ceilings, the rest is not used."""
    tflops = dict.fromkeys(PRECISIONS, ceilings.gflops / 1e3)
    return Card("cpu", "CPU", 1.0, ceilings.gbs, tflops, 1.0, 1.0, 0.0, 0, False, {})
