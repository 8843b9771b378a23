"""Several processes that sum their gradients, on the cores of this machine.

Predicted are the bytes that are summed, and that the sums add to a step what one all-reduce of
these bytes takes. In the measurement a step with sums also waits for the slowest process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common.commands import ONE_THREAD, train_arguments
from benchmarks.estimate.compare import Row, compared
from pepland_model.estimate.cards import cards
from pepland_model.estimate.corpus import Corpus
from pepland_model.estimate.estimate import Estimate, Request
from pepland_model.estimate.scaling import COUNTS_BYTES
from pepland_model.run.log import events

FLAGS = {"log-every": 1, "eval-every": 0, "checkpoint-every": 0, "device": "cpu",
         "valid-fraction": 0}  # fmt: skip
BATCH, STEPS, SIZES = 16, 16, (1, 2, 4)
"""Graphs of a step for each process; steps; numbers of processes."""
QUICK = 2, 3, (1, 2)
WARM_UP = 2
"""Steps that are not timed."""
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def ranks(corpus: Corpus, quick: bool = False) -> dict[str, Any]:
    """Return steps of several processes, predicted beside measured."""
    batch, steps, sizes = QUICK if quick else (BATCH, STEPS, SIZES)
    gradients = gradient_bytes(corpus)
    rows = []
    for size in sizes:
        found = {how: run(corpus, size, how, batch, steps, gradients) for how in ("alone", "sums")}
        one, ms = found["alone"]["all_reduce_ms"], {how: f["step_ms"] for how, f in found.items()}
        more = compared("ms", ms["alone"] + one, ms["sums"])
        more |= summed(found["sums"], steps, gradients)
        rows.append({"processes": size, "all_reduce_ms": one, "step_without_sums_ms": ms["alone"],
                     "difference_ms": ms["sums"] - ms["alone"], **more})  # fmt: skip
    cores = len(os.sched_getaffinity(0))
    return {
        "what_limits": f"Processes of one thread on {cores} cores, which other programs use too; "
        "more processes than cores share them, and memory has one bandwidth for all. So a step is "
        "compared with that of as many processes that do not wait for each other, not with that "
        "of one. No link lies between them: all_reduce_ms is one all-reduce of the gradients "
        "while the processes do nothing else.",
        "batch_per_process": batch, "cores": cores, "rows": rows,
    }  # fmt: skip


def gradient_bytes(corpus: Corpus) -> int:
    """Return the bytes that several cards sum for a step, as the estimate counts them."""
    request = Request(list(cards().values()))
    paths = [str(store.path) for store in corpus.stores]
    return Estimate(request, [paths], True, lambda line: None).plan.gradient_bytes


def run(
    corpus: Corpus, size: int, how: str, batch: int, steps: int, gradients: int
) -> Row:  # fmt: skip
    """Train with some processes, with their sums or without; return what was measured."""
    with tempfile.TemporaryDirectory() as scratch:
        found, out = Path(scratch) / "found.json", Path(scratch) / "run"
        flags = {**FLAGS, "max-steps": steps, "batch-size": batch * size}
        arguments = train_arguments(corpus.stores[0].path, out, flags)[2:]
        command = [*LAUNCHER, str(size), "-m", "benchmarks.estimate.rank_process", str(found)]
        command += [str(gradients), how, *arguments]
        done = subprocess.run(command, env=ONE_THREAD, text=True, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"{size} processes failed: {done.stderr[-2000:]}")
        rates = [event["graphs_per_s"] for event in events(out, "train")]
        step_ms = 1e3 * batch * size / median(rates[WARM_UP:])
        return {**json.loads(found.read_text(encoding="utf-8")), "step_ms": step_ms}


def summed(measured: Row, steps: int, gradients: int) -> Row:
    """Return the bytes that are summed for a step, predicted beside those that really were."""
    if not measured["sums"]:
        return {}
    total = sum(int(number) * times for number, times in measured["sums"].items())
    largest = max(map(int, measured["sums"]))
    return {"gradient_bytes": gradients, "largest_sum_bytes": largest,
            "sums": measured["sums"],
            **compared("bytes_per_step", gradients + COUNTS_BYTES, total / steps)}  # fmt: skip
