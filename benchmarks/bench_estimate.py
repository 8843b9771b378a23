"""Is what ``pepland-bench estimate`` counts and predicts what is measured?

The parts run in the order of `PARTS`; the file is written after each. Measurements of an H100 come
from results that ship with the package, and from a folder beside the checkout; no GPU is needed.
Not measured: other cards, several cards.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from benchmarks.common import record
from benchmarks.estimate.cpu import cpu
from benchmarks.estimate.h100 import MeasuredSteps, h100_every_row, h100_memory, h100_times
from benchmarks.estimate.older_code import older_code
from benchmarks.estimate.parameters import checkpoint_parameters
from benchmarks.estimate.ranks import ranks
from benchmarks.estimate.states import states
from pepland_model.estimate.corpus import Corpus, sample_store
from pepland_model.run.config import ModelConfig

SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Measurements that cannot be shipped, in a folder next to the checkout."""


@dataclass(frozen=True)
class Asked:
    """What a part is asked for."""

    store: str
    shared: str
    quick: bool

    @cached_property
    def corpus(self) -> Corpus:
        """The graphs of the store."""
        return Corpus([self.store], ModelConfig())

    @cached_property
    def steps(self) -> MeasuredSteps:
        """The steps of the shipped calibration."""
        return MeasuredSteps(self.corpus, self.quick)


PARTS: dict[str, Callable[[Asked], Any]] = {
    "h100_times": lambda asked: h100_times(asked.steps),
    "h100_every_row": lambda asked: h100_every_row(asked.steps),
    "h100_memory": lambda asked: h100_memory(asked.steps),
    "older_code": lambda asked: older_code(asked.corpus, asked.shared, asked.quick),
    "states": lambda asked: states(asked.corpus, asked.quick),
    "parameters": lambda asked: checkpoint_parameters(asked.corpus),
    "cpu": lambda asked: cpu(asked.store, asked.quick),
    "ranks": lambda asked: ranks(asked.corpus, asked.quick),
}


@click.command()
@click.option("--store", help="Store of the graphs [the bundled sample].")
@click.option("--shared", default=str(SHARED), help="Folder with measurements of older code.")
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)),
              help="Run this part only, and keep the file's other parts. Repeat it.")  # fmt: skip
@click.option("--quick", is_flag=True, help="Few and small steps.")
@click.option("--results", "folder", type=click.Path(path_type=Path), default=record.RESULTS,
              help="Folder of the result file.")  # fmt: skip
def main(store: str | None, shared: str, parts: tuple[str, ...], quick: bool, folder: Path) -> None:
    """Compare, and write benchmarks/results/estimate_checks.json."""
    name = record.named("estimate_checks", quick)
    before = folder / f"{name}.json"
    results: dict[str, Any] = {}
    if parts and before.is_file():
        results = json.loads(before.read_text(encoding="utf-8"))["results"]
    with tempfile.TemporaryDirectory() as scratch:
        asked = Asked(store or sample_store(Path(scratch)), shared, quick)
        results["graphs"] = asked.corpus.graphs
        for part in parts or PARTS:
            results[part] = PARTS[part](asked)
            click.echo(f"{part}: {record.save(name, results, folder)}")


if __name__ == "__main__":
    main()
