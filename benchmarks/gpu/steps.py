"""Training steps and inference alone, on batches that lie on the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch

from benchmarks.gpu.bench import MASKS, Bench
from benchmarks.gpu.budget import Budget
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.fixed_program import FixedProgram
from pepland_model.network.pooling import Pooling, run_views, vectors
from pepland_model.train.mask import mask_batch

WARM_UP = 5
Submit = Callable[[int, HeteroBatch], Any]
Flush = Callable[[], Any]


def steps(bench: Bench, budget: Budget) -> list[dict[str, Any]]:
    """Return a row for each kind, precision and batch size; each state once, then every row."""
    precisions = bench.precisions("bf16", "tf32", "fp32")
    once = [
        budget.row(lambda **given: measured(bench, **given), kind=kind, states="once",
                   precision=p, batch=size)
        for size in bench.sizes(512, 2048, 8192, 64)
        for p in precisions for kind in ("training", "inference")
    ]  # fmt: skip
    return once + [
        budget.row(lambda **given: measured(bench, **given), kind=kind, states="every row",
                   precision=p, batch=size)
        for size in bench.sizes(512, 2048)
        for p in precisions for kind in ("training", "inference")
    ]  # fmt: skip


def measured(bench: Bench, kind: str, states: str, precision: str, batch: int) -> dict[str, Any]:
    """Return time, speed and memory of one kind of step."""
    start_memory(bench)
    makers = {
        ("training", "once"): training, ("inference", "once"): inference,
        ("training", "every row"): every_row, ("inference", "every row"): every_row_vectors,
    }  # fmt: skip
    with nullcontext() if kind == "training" else bench.at(precision):
        submit, flush, program = makers[kind, states](bench, precision)
        found = timed(bench, bench.batches(batch, 3), submit, flush)
    if program is not None:
        found |= {"said": bench.told(), "overflows": program.overflows, "sizes": program.sizes(),
                  "recorded": program.recorded}  # fmt: skip
    return found | memory(bench)


Made = tuple[Submit, Flush, FixedProgram | None]


def training(bench: Bench, precision: str) -> Made:
    """Return the recorded training step."""
    program = bench.program(precision)
    return lambda i, batch: program.submit(i, 0, batch), program.flush, program.program


def inference(bench: Bench, precision: str) -> Made:
    """Return the recorded inference."""
    made = bench.vectors()
    return lambda i, batch: made.submit(batch), made.flush, made.program


def every_row(bench: Bench, precision: str) -> Made:
    """Return the training step that computes every row of a batch."""
    updater = bench.updater(precision, dedup="never")
    return lambda i, batch: updater.step(i, [mask_batch(batch, MASKS, 0, 0)]), _nothing, None


def every_row_vectors(bench: Bench, precision: str) -> Made:
    """Return the inference that computes every row of a batch."""
    model, pooling = bench.network(dedup="never").encoder.eval(), Pooling()
    return (
        lambda i, batch: vectors(batch, run_views(model, batch, *pooling.views), pooling),
        _nothing, None,
    )  # fmt: skip


def timed(
    bench: Bench, batches: Sequence[HeteroBatch], submit: Submit, flush: Flush
) -> dict[str, Any]:
    """Return milliseconds and peptides per second, after a warm-up."""
    for i in range(WARM_UP):
        submit(i, batches[i % len(batches)])
    flush()
    bench.wait()
    began, number, graphs = time.perf_counter(), WARM_UP, 0
    while time.perf_counter() - began < bench.seconds(0.8):
        batch = batches[number % len(batches)]
        submit(number, batch)
        number, graphs = number + 1, graphs + batch.num_graphs
    flush()
    bench.wait()
    seconds, done = time.perf_counter() - began, number - WARM_UP
    return {"ms": round(1e3 * seconds / done, 4), "steps": done,
            "peptides_per_s": round(graphs / seconds, 1)}  # fmt: skip


def start_memory(bench: Bench) -> None:
    """Forget the peak of memory."""
    if bench.cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(bench.device)


def memory(bench: Bench) -> dict[str, float]:
    """Return the peaks since `start_memory`; {} on a CPU."""
    if not bench.cuda:
        return {}
    peaks = {"peak_gib": torch.cuda.max_memory_allocated(bench.device),
             "reserved_gib": torch.cuda.max_memory_reserved(bench.device)}  # fmt: skip
    return {name: round(value / 2**30, 3) for name, value in peaks.items()}


def _nothing() -> None:
    pass
