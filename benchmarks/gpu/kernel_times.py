"""The kernels of a recorded step: how many, how long, and what the card draws meanwhile."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.budget import Budget, attempt
from benchmarks.gpu.card import PowerLog
from benchmarks.gpu.steps import inference, training
from pepland_model.network.fixed_program import FixedProgram

TOP = 15
MAKERS = {"training": training, "inference": inference}


def kernel_times(bench: Bench, budget: Budget) -> list[dict[str, Any]]:
    """Return a row for each kind, batch size and precision."""
    return [
        budget.row(lambda **given: of_program(bench, **given), kind=kind, batch=size, precision=p)
        for size in bench.sizes(512, 8192)
        for kind in MAKERS for p in bench.precisions("bf16", "tf32")
    ]  # fmt: skip


def of_program(bench: Bench, kind: str, batch: int, precision: str) -> dict[str, Any]:
    """Return the kernels of one run of a program, its time, and the watts."""
    with nullcontext() if kind == "training" else bench.at(precision):
        submit, flush, program = MAKERS[kind](bench, precision)
        assert program is not None
        made = bench.batches(batch, 3)
        for i in range(bench.count(9, 2)):  # more than enough to record it
            submit(i, made[i % len(made)])
        flush()
        bench.wait()
        once = replay(program)
        program.halted.fill_(kind == "training")  # so that no weight changes
        found = {
            "recorded": program.recorded,
            "said": bench.told(),
            "wall_ms": wall_ms(bench, once),
        }
        found |= attempt(lambda: kernels_of(bench, once))
        return found | attempt(lambda: power(bench, once))


def replay(program: FixedProgram) -> Callable[[], object]:
    """Return one run of a program on the batch that it holds."""
    return program._graphs[0].replay if program.recorded else program._body


def wall_ms(bench: Bench, once: Callable[[], object], count: int = 10) -> float:
    """Return milliseconds per run, of runs one after the other."""
    count = bench.count(count, 1)
    bench.wait()
    began = time.perf_counter()
    if not bench.cuda:
        once()
        return round(1e3 * (time.perf_counter() - began), 4)
    ends = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    ends[0].record()
    for _ in range(count):
        once()
    ends[1].record()
    bench.wait()
    return round(ends[0].elapsed_time(ends[1]) / count, 4)


def kernels_of(bench: Bench, once: Callable[[], object]) -> dict[str, Any]:
    """Return the number of kernels of a run, their time, and those that take most of it."""
    kind = ProfilerActivity.CUDA if bench.cuda else ProfilerActivity.CPU
    with profile(activities=[kind]) as seen:
        once()
        bench.wait()
    by_name: dict[str, list[float]] = defaultdict(list)
    for event in seen.events():
        if not bench.cuda:
            by_name[event.name].append(event.self_cpu_time_total)
        elif event.device_type == torch.autograd.DeviceType.CUDA:
            by_name[event.name].append(event.time_range.elapsed_us())
    return summary(by_name)


def summary(by_name: dict[str, list[float]]) -> dict[str, Any]:
    """Return counts and milliseconds of kernels, given the microseconds of each call."""
    rows = sorted(by_name.items(), key=lambda row: -sum(row[1]))
    top = [
        {"name": name[:100], "calls": len(us), "ms": round(sum(us) / 1e3, 4)} for name, us in rows
    ]
    whole = sum(row["ms"] for row in top)
    calls = sum(row["calls"] for row in top)
    return {"kernels": calls, "names": len(top), "kernel_ms": round(whole, 4), "top": top[:TOP]}


def power(bench: Bench, once: Callable[[], object]) -> dict[str, float]:
    """Return the median watts, clock and temperature of a card that does nothing else."""
    if not bench.cuda:
        return {}
    with PowerLog() as log:
        began = time.perf_counter()
        while time.perf_counter() - began < bench.seconds(2.0):
            for _ in range(5):
                once()
            bench.wait()
    return log.report()
