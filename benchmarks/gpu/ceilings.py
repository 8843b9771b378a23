"""Limits of the card, measured, and the share of them that a step reaches."""

from __future__ import annotations

import time
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.gpu.bench import MASKS, Bench
from benchmarks.gpu.budget import Budget
from benchmarks.gpu.steps import measured
from pepland_model.measure.roofline import Ceilings, Counter, measure_ceilings
from pepland_model.measure.speed import DTYPES
from pepland_model.network.kernels import devices as kernels
from pepland_model.train.mask import mask_batch

LAUNCHES = 1000


def roofline(bench: Bench, budget: Budget) -> dict[str, Any]:
    """Return the limits at each precision, the cost of a launch, and the shares reached."""
    limits, found = {}, {"launch": budget.row(lambda: launch_us(bench))}
    for precision in bench.precisions("tf32", "bf16", "fp32"):
        limits[precision] = limit(bench, precision)
        found[precision] = vars(limits[precision])
    found["steps"] = [
        budget.row(lambda **given: share(bench, limits, **given), precision=p, batch=size)
        for size in bench.sizes(512, 8192) for p in bench.precisions("bf16", "tf32")
    ]  # fmt: skip
    return found


def limit(bench: Bench, precision: str) -> Ceilings:
    """Measure the best matrix product and the best copy."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    return measure_ceilings(bench.device, DTYPES[precision], bench.seconds(0.6))


def launch_us(bench: Bench) -> dict[str, float]:
    """Return microseconds per tiny operator: one by one, and in a replayed graph."""
    x = torch.zeros(1, device=bench.device)

    def many() -> None:
        for _ in range(LAUNCHES):
            x.add_(1)

    found = {"eager_us": _us(bench, many)}
    if bench.cuda:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            many()
        found["replayed_us"] = _us(bench, graph.replay)
    return found


def _us(bench: Bench, run: Any) -> float:
    run()
    bench.wait()
    began = time.perf_counter()
    run()
    bench.wait()
    return round((time.perf_counter() - began) * 1e6 / LAUNCHES, 3)


def share(bench: Bench, limits: dict[str, Ceilings], precision: str, batch: int) -> dict[str, Any]:
    """Return what a step computes and moves, its least time, and the share of it.

    Operators of the plain path are counted, with arrays of exact sizes: kernels that do the work of
    several operators move less.
    """
    updater, made = bench.updater(precision), bench.batches(batch, 1)[0]
    with patch.object(kernels, "DEVICES", set()):
        updater.step(0, [mask_batch(made, MASKS, 0, 0)])
        with Counter(limits[precision]) as counted:
            updater.step(1, [mask_batch(made, MASKS, 0, 1)])
    seen = measured(bench, "training", "once", precision, batch)
    return {
        "gflop": round(counted.flops / 1e9, 3), "gb": round(counted.moved / 1e9, 3),
        "least_ms": round(1e3 * counted.seconds, 4), "ms": seen["ms"],
        "share_of_roofline": round(1e3 * counted.seconds / seen["ms"], 4),
        "products_share": round(counted.products["products"] / counted.seconds, 4),
        "tflops": round(counted.flops / seen["ms"] / 1e9, 3),
        "gb_per_s": round(counted.moved / seen["ms"] / 1e6, 2),
    }  # fmt: skip
