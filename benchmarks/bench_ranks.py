"""Do 1, 2 and 4 processes have the same losses for the same global batches?

Starts ``pepland-train`` under ``torchrun`` with gloo on the CPU, the same configuration each time,
and puts the losses side by side. Not measured: speed (the processes share one machine's cores).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.common import record
from benchmarks.common.training_data import training_store

FLAGS = {
    "batch-size": 64, "hidden": 64, "depth": 3, "log-every": 1, "eval-every": 10, "device": "cpu",
    "valid-fraction": 0.1,
}  # fmt: skip


def train(store: Path, out: Path, size: int, steps: int) -> dict[str, list[float]]:
    flags = [part for key, value in FLAGS.items() for part in (f"--{key}", str(value))]
    flags += ["--max-steps", str(steps), "--shards", str(store), "--out", str(out)]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, "-m", "pepland_cli.train", *flags]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
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
    """Train with several numbers of processes and compare."""
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
