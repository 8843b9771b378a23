"""What a GPU does with this project, in at most ten minutes: one command, one JSON file.

The parts run in the order of `PARTS`; the file is written after each. A part that fails is recorded
with its first line, and the next one runs. Without STORE, the graphs that ship with the tests are
repeated: 36 peptides, so that a batch has few distinct states unless it is masked. RDKit, DGL and
Zarr are not needed. Not measured: several GPUs, a cold disk.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common import record
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.budget import Budget, attempt, is_alive
from benchmarks.gpu.card import card, model_statistics, short_name, store_statistics
from benchmarks.gpu.ceilings import roofline
from benchmarks.gpu.cuda_tests import cuda_tests
from benchmarks.gpu.end_to_end import end_to_end
from benchmarks.gpu.equality import equality
from benchmarks.gpu.kernel_times import kernel_times
from benchmarks.gpu.latency import latency
from benchmarks.gpu.loader_speed import loader_speed
from benchmarks.gpu.loss_curve import loss_curve
from benchmarks.gpu.steps import steps
from pepland_data import GraphStore, open_store
from pepland_data.batch.arrays import place_of
from pepland_data.loader.measure import device_of

Part = Callable[[Bench, Budget], Any]
PARTS: dict[str, tuple[Part, float]] = {
    "tests": (cuda_tests, 90), "equality": (equality, 45), "end_to_end": (end_to_end, 150),
    "steps": (steps, 100), "kernels": (kernel_times, 45), "roofline": (roofline, 25),
    "loader": (loader_speed, 45), "latency": (latency, 20), "loss_curve": (loss_curve, 60),
}  # fmt: skip
"""Part -> its function and its seconds, of `MINUTES`."""
MINUTES = 9.3
GRAPHS = (32768, 72)
"""Graphs of the store that is made where none is given; in a quick run."""


def golden_store(folder: Path, quick: bool) -> GraphStore:
    """Write the graphs of the tests, many times, as a store."""
    from benchmarks.common.repeated_store import write_repeated
    from tests.helpers.golden_store import write_golden_store

    distinct = write_golden_store(folder / "distinct", slice(None), 1000)
    write_repeated(distinct, folder / "golden", GRAPHS[quick])
    return open_store(folder / "golden")


class Report:
    """The results so far; a run of some parts keeps what an earlier run found of the others."""

    def __init__(self, name: str, folder: Path, keep: bool) -> None:
        self.name, self.folder = name, folder
        before = folder / f"{name}.json"
        self.results: dict[str, Any] = {}
        if keep and before.is_file():
            self.results = json.loads(before.read_text("utf-8"))["results"]

    def add(self, part: str, found: Any) -> None:
        """Write what a part found."""
        self.results[part] = json.loads(json.dumps(found, default=str))
        path = record.save(self.name, self.results, self.folder)
        click.echo(f"{part}: {json.dumps(self.results[part])[:2000]}\n{path}")


def run_part(bench: Bench, report: Report, name: str, seconds: float) -> None:
    """Run one part, within its seconds."""
    budget = Budget(seconds)
    found = attempt(lambda: PARTS[name][0](bench, budget))
    report.add(name, {"budget_s": round(seconds), "took_s": round(budget.spent, 1), "found": found})


def again(parts: list[str], minutes: float, name: str) -> None:
    """Go on with other parts in a new process: the device does not answer this one any more."""
    if not parts:
        raise SystemExit("the device does not answer any more; all parts have run")
    given = iter(sys.argv[1:])
    kept: list[str] = []
    for word in given:
        if word in ("--part", "--minutes", "--name"):
            next(given, None)
        else:
            kept.append(word)
    chosen = [word for part in parts for word in ("--part", part)]
    command = ["-m", "benchmarks.bench_gpu", *kept, *chosen, "--minutes", f"{minutes:.2f}"]
    os.execv(sys.executable, [sys.executable, *command, "--name", name])


@click.command()
@click.argument("store", required=False)
@click.option("--device", default="auto", show_default=True)
@click.option("--quick", is_flag=True, help="Everything tiny, to see that it runs.")
@click.option("--name", help="Name of the result file. Default: gpu- and the card.")
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)),
              help="Run this part only, and keep the file's other parts. Repeat it.")  # fmt: skip
@click.option("--minutes", default=MINUTES, show_default=True, help="Time for all parts.")
@click.option("--results", "folder", type=click.Path(path_type=Path), default=record.RESULTS,
              help="Folder of the result file.")  # fmt: skip
def main(
    store: str | None, device: str, quick: bool, name: str | None, parts: tuple[str, ...],
    minutes: float, folder: Path,
) -> None:  # fmt: skip
    """Measure a GPU on STORE, or on repeated graphs of the tests."""
    if quick:
        torch.set_num_threads(1)  # tiny operators: a second thread would mostly wait for a core
    home, ends = place_of(device_of(device)), time.perf_counter() + 60 * minutes
    name = name or f"gpu-{short_name(home)}"
    report = Report(record.named(name, quick), folder, bool(parts))
    chosen = list(parts or PARTS)
    share = 60 * minutes / sum(PARTS[part][1] for part in chosen)
    share = min(share, max(1.0, minutes / MINUTES))  # few parts do not fill the time
    with tempfile.TemporaryDirectory() as scratch:
        opened = open_store(store) if store else golden_store(Path(scratch), quick)
        bench = Bench(home, opened, quick)
        about = {"card": card, "store": store_statistics, "model": model_statistics}
        for title, tell in about.items():
            report.results[title] = attempt(lambda tell=tell: tell(bench))
        while chosen and is_alive():
            part, left = chosen.pop(0), ends - time.perf_counter()
            run_part(bench, report, part, max(0.0, min(PARTS[part][1] * share, left)))
    if not is_alive():
        again(chosen, (ends - time.perf_counter()) / 60, name)


if __name__ == "__main__":
    main()
