"""Do 1, 2 and 4 processes have the same losses for the same global batches?

``pepland-train`` runs under ``torchrun`` with gloo on the CPU, each time with the same
configuration, and the losses are compared. Not measured: speed (the processes share the cores).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.common import record
from benchmarks.common.commands import ONE_THREAD, train_arguments
from benchmarks.common.training_data import training_store

FLAGS = {
    "batch-size": 64, "hidden": 64, "depth": 3, "log-every": 1, "eval-every": 10, "device": "cpu",
    "valid-fraction": 0.1,
}  # fmt: skip


def train(store: Path, out: Path, size: int, steps: int) -> dict[str, list[float]]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    command = [
        sys.executable,
        *launcher,
        *train_arguments(store, out, {**FLAGS, "max-steps": steps}),
    ]
    done = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{size} processes failed: {done.stderr[-2000:]}")
    events = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {kind: [e["loss"] for e in events if e["kind"] == kind] for kind in ("train", "eval")}


@click.command()
@click.option("--shards", help="Store to train on.")
@click.option("--input", "source", help="File of peptides to build one from.")
@click.option("--steps", default=30, show_default=True)
@click.option("--quick", is_flag=True, help="Ten steps, 1 and 2 processes.")
def main(shards: str | None, source: str | None, steps: int, quick: bool) -> None:
    """Train with 1, 2 and 4 processes; write benchmarks/results/train_ranks.json."""
    sizes, steps = ((1, 2), 10) if quick else ((1, 2, 4), steps)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store = training_store(shards, source, 200, folder)
        found = {str(n): train(store, folder / f"run{n}", n, steps) for n in sizes}
    first = found["1"]["train"]
    worst = {
        n: max(abs(a - b) / b for a, b in zip(curves["train"], first, strict=True))
        for n, curves in found.items()
    }
    result = {"processes": found, "largest_relative_difference": worst, "flags": FLAGS}
    click.echo(f"{worst}: {record.save(record.named('train_ranks', quick), result)}")


if __name__ == "__main__":
    main()
