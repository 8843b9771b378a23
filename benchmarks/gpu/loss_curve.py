"""The losses of a training on the device, beside those of the CPU for its first steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.gpu.bench import CPU, MASKS, Bench
from benchmarks.gpu.budget import Budget
from benchmarks.gpu.equality import loss_of
from pepland_data import GraphLoader
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.train.mask import mask_batch
from pepland_model.train.step_batches import StepBatches

POINTS = 100
CPU_SHARE = 0.5
"""Part of the budget in which the CPU computes its losses."""


def loss_curve(bench: Bench, budget: Budget) -> dict[str, Any]:
    """Return the losses of the first steps, and means of the later ones."""
    size, steps = bench.sizes(128)[0], bench.count(1000, 20)
    found: dict[str, Any] = {"batch": size, "steps": steps}
    exact = on_cpu(bench, size, bench.count(100, 5), budget)
    found["cpu"] = exact
    for precision in bench.precisions("fp32", "bf16"):
        found[precision] = budget.row(
            lambda p=precision: beside(on_device(bench, p, size, steps, budget), exact)
        )
    return found


def feed(
    bench: Bench, device: Any, size: int, steps: int
) -> Iterator[tuple[int, int, HeteroBatch]]:
    """Yield number, epoch and batch of each step, in the same order on every device."""
    loader = GraphLoader(bench.store, size, device=device, tier="host", drop_last=True)
    batches = StepBatches(loader, 1, len(loader))
    try:
        for number in range(steps):
            epoch, (batch,) = batches.next()
            yield number, epoch, batch
    finally:
        batches.close()


def on_cpu(bench: Bench, size: int, steps: int, budget: Budget) -> list[float]:
    """Return the losses of the CPU in float32, of as many steps as there is time for."""
    updater, losses = bench.updater("fp32", CPU), []
    for number, epoch, batch in feed(bench, CPU, size, steps):
        losses.append(loss_of(updater.step(number, [mask_batch(batch, MASKS, 0, epoch)])))
        if budget.spent > CPU_SHARE * budget.seconds:
            break
    return losses


def on_device(bench: Bench, precision: str, size: int, steps: int, budget: Budget) -> list[float]:
    """Return the losses of the recorded steps."""
    program, done = bench.program(precision), []
    for number, epoch, batch in feed(bench, bench.device, size, steps):
        done += [step.result for step in program.submit(number, epoch, batch)]
        if not budget.left:
            break
    done += [step.result for step in program.flush()]
    return [loss_of(result) for result in done]


def beside(made: list[float], exact: list[float]) -> dict[str, Any]:
    """Return a curve, and how far it is from the curve of the CPU."""
    every = max(1, len(made) // POINTS)
    parts = [made[i : i + every] for i in range(0, len(made), every)]
    apart = [abs(a - b) / abs(b) for a, b in zip(made, exact, strict=False)]
    worst = {str(n): max(apart[:n]) for n in (1, 10, 100) if apart[:n]}
    return {"steps_done": len(made), "largest_difference_in_steps": worst,
            "first": made[: len(exact)], "every": every,
            "means": [sum(part) / len(part) for part in parts]}  # fmt: skip
