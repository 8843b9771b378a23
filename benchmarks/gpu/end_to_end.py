"""Training from shards: loader and recorded step together, as the trainer runs them."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.budget import Budget
from benchmarks.gpu.equality import loss_of
from benchmarks.gpu.steps import memory, start_memory
from pepland_data import GraphLoader
from pepland_model.run.config import TrainConfig, with_flags
from pepland_model.run.log import events
from pepland_model.train.pretrain import pretrain
from pepland_model.train.step_batches import StepBatches
from pepland_model.train.step_program import Step

TIERS = ("device", "host", "mmap")
WARM_UP = 6


def end_to_end(bench: Bench, budget: Budget) -> dict[str, Any]:
    """Return rows of training from shards, and of whole runs of ``pepland-train``."""
    trainer = [
        budget.row(lambda **given: trained(bench, **given), batch=size, tier=TIERS[0], precision=p)
        for size in bench.sizes(2048, 512) for p in bench.precisions("bf16")
    ]  # fmt: skip
    rows = [
        budget.row(lambda **given: from_shards(bench, **given), batch=size, tier=tier, precision=p)
        for p in bench.precisions("bf16", "tf32")
        for size in bench.sizes(512, 2048, 8192)
        for tier in TIERS
    ]
    return {"pretrain": trainer, "rows": rows}


class Feed:
    """Training steps on the batches of a loader."""

    def __init__(self, bench: Bench, batch: int, tier: str, precision: str) -> None:
        self.program = bench.program(precision)
        self.loader = GraphLoader(
            bench.store, batch, device=bench.device, tier=tier, drop_last=True
        )
        self.steps_per_epoch = len(self.loader)
        self.batches = StepBatches(self.loader, 1, self.steps_per_epoch)
        self.number = 0
        self.ended: list[Step] = []
        """The first and the last step that have ended."""

    def step(self) -> int:
        """Start one step; return its graphs."""
        epoch, (batch,) = self.batches.next()
        self._note(self.program.submit(self.number, epoch, batch))
        self.number += 1
        return batch.num_graphs

    def settle(self) -> None:
        """Wait for all steps."""
        self._note(self.program.flush())

    def _note(self, steps: list[Step]) -> None:
        self.ended = [*self.ended[:1], *steps[-1:]] if steps else self.ended


def from_shards(bench: Bench, batch: int, tier: str, precision: str) -> dict[str, Any]:
    """Train for some seconds after a warm-up, which records the step."""
    start_memory(bench)
    feed = Feed(bench, batch, tier, precision)
    try:
        for _ in range(WARM_UP):
            feed.step()
        feed.settle()
        return measured(bench, feed) | memory(bench)
    finally:
        feed.batches.close()


def measured(bench: Bench, feed: Feed) -> dict[str, Any]:
    """Return the figures of some seconds of training."""
    bench.wait()
    feed.loader.meter.reset()
    feed.batches.waited_s, first = 0.0, feed.number
    graphs, began = 0, time.perf_counter()
    while time.perf_counter() - began < bench.seconds(2.5):
        graphs += feed.step()
    feed.settle()
    bench.wait()
    seconds, steps = time.perf_counter() - began, feed.number - first
    seen, program = feed.loader.meter.report(), feed.program.program
    return {
        "peptides_per_s": round(graphs / seconds, 1), "ms": round(1e3 * seconds / steps, 3),
        "steps": steps, "steps_per_epoch": feed.steps_per_epoch,
        "waiting_share": round(feed.batches.waited_s / seconds, 4),
        "device_idle_share": seen.device_idle_share, "limit": seen.limit,
        "overflows": program.overflows, "recorded": program.recorded,
        "said": bench.told(), "loss": [loss_of(step.result) for step in feed.ended],
    }  # fmt: skip


def trained(bench: Bench, batch: int, tier: str, precision: str) -> dict[str, Any]:
    """Run ``pretrain``, as ``pepland-train`` does; medians of its lines, without the first two."""
    steps = bench.count(200, 6)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        flags = {"shards": (str(bench.store.path),), "out": str(out), "tier": tier,
                 "device": str(bench.device), "precision": precision, "batch_size": batch,
                 "hidden": bench.model.hidden, "depth": bench.model.depth, "max_steps": steps,
                 "eval_every": 0, "eval_batches": 2, "checkpoint_every": 0,
                 "log_every": bench.count(10, 2)}  # fmt: skip
        summary = pretrain(with_flags(TrainConfig(), flags))
        lines = list(events(out, "train"))
    late = lines[2:] or lines
    names = ("graphs_per_s", "waiting_share", "device_idle_share")
    found = {n: [line[n] for line in late if n in line] for n in names}
    medians = {name: statistics.median(values) for name, values in found.items() if values}
    losses = {"loss": [lines[0]["loss"], lines[-1]["loss"]], "memory_gib": lines[-1]["memory_gib"]}
    return {"status": (summary or {}).get("status"), "steps": steps, **medians, **losses}
