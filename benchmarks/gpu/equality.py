"""A device computes what a CPU computes, and the same bits twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.bench import CPU, MASKS, Bench
from benchmarks.gpu.budget import Budget, attempt
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.states.rooms import exactly
from pepland_model.train.mask import mask_batch
from pepland_model.train.step import StepResult

VIEWS = ("atom", "fragment")


def equality(bench: Bench, budget: Budget) -> dict[str, Any]:
    """Return the largest relative differences from a CPU in float32."""
    size = bench.sizes(64)[0]
    batches = bench.batches(size, bench.count(10, 3), CPU)
    exact = attempt(lambda: cpu_losses(bench, batches))
    found: dict[str, Any] = {"batch": size, "cpu_losses": exact}
    for output in ("homo", "fused"):
        found[f"classes, {output}"] = budget.row(lambda o=output: classes(bench, batches[0], o))
        found[f"states, {output}"] = budget.row(lambda o=output: states(bench, batches[0], o))
    for p in ("fp32", *bench.precisions("tf32", "bf16")):
        found[f"losses, {p}"] = budget.row(lambda p=p: losses(bench, batches, p, exact))
        found[f"same bits, {p}"] = budget.row(lambda p=p: same_bits(bench, batches[:8], p))
    return found


def classes(bench: Bench, batch: HeteroBatch, output: str) -> dict[str, Any]:
    """Compare the classes that the device finds with those that numpy finds."""
    masked, network = mask_batch(batch, MASKS, 0, 0).batch, bench.network(
        CPU, dedup="always", output=output)  # fmt: skip
    plan = network.encoder.plan(masked)
    there = bench.network(dedup="always", output=output).encoder
    on_device = masked.to(bench.device)
    searched = exactly(lambda rooms: there.plan(on_device, rooms=rooms))
    found: dict[str, Any] = {}
    for view in VIEWS:
        ours, theirs = (getattr(p, f"{view}s") for p in (searched, plan))
        found[view] = {
            "same_partition": same_partition(ours.rows, theirs.rows),
            "device": ours.counts(), "numpy": theirs.counts(),
        }  # fmt: skip
    return found


def same_partition(one: Tensor | None, other: Tensor | None) -> bool:
    """Return whether two numberings of nodes have the same nodes in one class."""
    if one is None or other is None:  # every node is a class of its own
        rows = other if one is None else one
        return rows is None or len(rows.unique()) == len(rows)
    pairs = torch.stack([one.cpu(), other.cpu()]).unique(dim=1)
    return pairs.shape[1] == len(one.unique()) == len(other.unique())


def states(bench: Bench, batch: HeteroBatch, output: str) -> dict[str, float]:
    """Return the difference of the embeddings of every node."""
    masked = mask_batch(batch, MASKS, 0, 0).batch
    with bench.at("fp32"):
        exact = bench.network(CPU, output=output).encoder.eval()(masked)
        network = bench.network(output=output).encoder.eval()
        out, rows = network.states(masked.to(bench.device))
    made = {"atom": out.atom_embedding[rows.of_atom],
            "fragment": out.fragment_embedding[rows.of_fragment]}  # fmt: skip
    return {v: difference(made[v], getattr(exact, f"{v}_embedding")) for v in VIEWS}


def difference(made: Tensor, exact: Tensor) -> float:
    """Return the largest difference relative to the largest value."""
    return float((made.cpu() - exact).abs().max() / exact.abs().max().clamp(min=1e-30))


def loss_of(result: StepResult) -> float:
    """Return the loss of a step: the sum of the means of its terms."""
    tally = result.tally.double().cpu()
    return float((tally[:, 0] / tally[:, 2].clamp(min=1)).sum())


def cpu_losses(bench: Bench, batches: Sequence[HeteroBatch]) -> list[float]:
    """Return the losses of a run on the CPU, without the step program."""
    updater = bench.updater("fp32", CPU)
    steps = enumerate(batches)
    return [loss_of(updater.step(i, [mask_batch(b, MASKS, 0, 0)])) for i, b in steps]


def program_losses(
    bench: Bench, batches: Sequence[HeteroBatch], precision: str
) -> tuple[list[float], dict[str, Tensor], bool]:
    """Return losses and weights of a run of the step program, and whether it was recorded."""
    program, done = bench.program(precision), []
    for i, batch in enumerate(batches):
        done += program.submit(i, 0, batch.to(bench.device))
    done += program.flush()
    weights = program.updater.network.state_dict()
    return [loss_of(step.result) for step in done], weights, program.program.recorded


def losses(
    bench: Bench, batches: Sequence[HeteroBatch], precision: str, exact: list[float]
) -> dict[str, Any]:
    """Compare the losses of some steps with those of the CPU."""
    made, _, recorded = program_losses(bench, batches, precision)
    worst = [abs(a - b) / abs(b) for a, b in zip(made, exact, strict=True)]
    return {"first": worst[0], "largest": max(worst), "losses": made, "recorded": recorded}


def same_bits(bench: Bench, batches: Sequence[HeteroBatch], precision: str) -> dict[str, Any]:
    """Train twice from the same weights, and compare the bits."""
    (first, a, recorded), (second, b, _) = (
        program_losses(bench, batches, precision) for _ in range(2)
    )
    differ = [name for name, value in a.items() if not torch.equal(value, b[name])]
    return {
        "recorded": recorded,
        "same_losses": first == second,
        "weights": len(a),
        "weights_that_differ": differ,
    }
