"""Run the estimate for a corpus, count the same steps with every row, and keep both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common.record import RESULTS, save
from pepland_data.errors import InputError
from pepland_model.estimate.answer import Answer
from pepland_model.estimate.calibration import FITTED, SHIPPED, Calibration, step_times, works_of
from pepland_model.estimate.cards import Card, cards
from pepland_model.estimate.corpus import Corpus
from pepland_model.estimate.estimate import BATCHES, PUBLISHED, TIMED, Request, Say, estimate
from pepland_model.estimate.memory import Memory
from pepland_model.estimate.speed import Speeds, step_time, step_work
from pepland_model.estimate.work import Workload
from pepland_model.run.config import ModelConfig, OptimConfig

COUNTED = ("fp32", "bf16")
"""Precisions of the memory with every row."""


def named_stores(given: str) -> tuple[str, list[str]]:
    """Return name and stores of ``NAME=STORE[,STORE]``."""
    name, _, stores = given.partition("=")
    if not name or not stores:
        raise InputError(f"{given!r} names no stores; write NAME=STORE or NAME=STORE,STORE")
    return name, stores.split(",")


def measure(name: str, stores: Sequence[str], say: Say, folder: Path = RESULTS) -> Path:
    """Estimate the published training on graphs of some stores; write ``estimate-NAME.json``."""
    samples = [count for count, _ in PUBLISHED]
    known = list(cards().values())
    once = estimate(Request(known, samples=samples), stores, stores, say)
    say("counting the steps with every row")
    every = [asdict(answer) for answer in every_row(stores, samples[0], known)]
    steps = list(calibrated_steps(Corpus(stores, ModelConfig())))
    results = {"once": once, "every_row": {"answers": every}, "calibrated_steps": steps}
    return save(f"estimate-{name}", results, folder)


def every_row(stores: Sequence[str], samples: int, known: Sequence[Card]) -> Iterator[Answer]:
    """Yield memory, largest batch and work of training steps that compute every row."""
    model = ModelConfig(dedup="never")
    corpus = Corpus(stores, model)
    calibration = Calibration.read(SHIPPED, cards(), corpus)
    memory = Memory(Speeds(Workload(corpus, model, OptimConfig()), calibration), samples)
    memory_rows = [
        {"kind": "training", "batch": batch,
         **{f"{p}_gib": memory.used_gib("training", p, batch) for p in COUNTED}}
        for batch in BATCHES
    ]  # fmt: skip
    yield Answer("memory_by_batch", "Memory by batch, every row", memory_rows)
    largest = [
        {"card": card.title, "kind": "training",
         **{p: memory.largest(card, "training", p) for p in COUNTED}}
        for card in known
    ]  # fmt: skip
    yield Answer("largest_batch", "Largest batch, every row", largest)
    yield step_work(memory.speeds.work, ["bf16"], 512)
    yield step_time(memory.speeds, known, ["bf16"], TIMED)


def calibrated_steps(corpus: Corpus) -> Iterator[dict[str, Any]]:
    """Yield the steps of the shipped calibration, predicted beside measured."""
    found = Calibration.read(SHIPPED, cards(), corpus)
    for row, work in zip(found.rows, works_of(found.rows, corpus), strict=True):
        shares = found.shares[row["kind"]]
        ms = 1e3 * step_times(work, found.card, row["precision"], shares, found.card).step_s
        yield {
            **{key: row[key] for key in ("kind", "states", "precision", "batch")},
            "fitted": row["batch"] == FITTED,
            "predicted_ms": round(ms, 4), "measured_ms": row["ms"],
            "error_ms": round(ms / row["ms"] - 1, 4),
        }  # fmt: skip
