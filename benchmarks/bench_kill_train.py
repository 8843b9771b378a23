"""Does a training run that is killed end with the losses of an undisturbed one?

At each of N moments (a step plus a random delay) ``pepland-train`` gets SIGKILL, then the same
command runs to its end. All logged losses, of training and evaluation, must be bit-identical to
those of an undisturbed run. Not measured: a power failure, in which a disk may lose what it
acknowledged.
"""

from __future__ import annotations

import concurrent.futures
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from benchmarks.common import record
from benchmarks.common.commands import ONE_THREAD, train_arguments
from benchmarks.common.training_data import training_store

STEPS = 40
FLAGS = {
    "max-steps": STEPS, "batch-size": 32, "hidden": 64, "depth": 3, "log-every": 1,
    "eval-every": 10, "checkpoint-every": 7, "device": "cpu", "valid-fraction": 0.1, "ema": 0.9,
    "schedule": "cosine", "warmup-steps": 5,
}  # fmt: skip


def command(store: Path, out: Path) -> list[str]:
    return [sys.executable, *train_arguments(store, out, FLAGS)]


def losses(out: Path) -> list[tuple[str, int, float]]:
    lines = (out / "metrics.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [(e["kind"], e["step"], e["loss"]) for e in events if e["kind"] != "start"]


def steps_done(out: Path) -> int:
    path = out / "metrics.jsonl"
    return path.read_text().count('"train"') if path.is_file() else 0


def finish(store: Path, out: Path) -> str:
    done = subprocess.run(
        command(store, out), env=ONE_THREAD, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"a run failed: {done.stderr}")
    return done.stderr


def kill_once(store: Path, out: Path, step: int, delay_s: float) -> dict[str, Any]:
    """Kill a run after a step and a delay and run it again; return what happened."""
    process = subprocess.Popen(
        command(store, out), env=ONE_THREAD, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while steps_done(out) < step and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    code = process.wait()
    reached = steps_done(out)
    said = finish(store, out)
    resumed = re.search(r"^resuming from step (\d+)", said, re.MULTILINE)
    from_step = int(resumed[1]) if resumed else 0
    return {"killed_after_step": reached, "delay_ms": round(1e3 * delay_s, 1),
            "killed": code == -signal.SIGKILL, "resumed_from": from_step}  # fmt: skip


@click.command()
@click.option("--shards", help="Store to train on.")
@click.option("--input", "source", help="File of peptides to build one from.")
@click.option("--kills", default=24, show_default=True)
@click.option("--quick", is_flag=True, help="Six kills.")
@click.option("--jobs", default=2, show_default=True, help="Runs at the same time.")
def main(shards: str | None, source: str | None, kills: int, quick: bool, jobs: int) -> None:
    """Kill training runs, compare, and write benchmarks/results/kill_train.json."""
    kills = 6 if quick else kills
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store = training_store(shards, source, 200, folder)
        finish(store, folder / "undisturbed")
        expected = losses(folder / "undisturbed")
        moments = [(k * STEPS // kills, 0.15 * chance.random()) for k in range(kills)]

        def one(k: int) -> dict[str, Any]:
            out = folder / f"run{k}"
            row = kill_once(store, out, *moments[k])
            row["identical"] = losses(out) == expected
            click.echo(str(row), err=True)
            return row

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            rows = list(pool.map(one, range(kills)))
    identical = sum(row["identical"] for row in rows)
    result = {"kills": len(rows), "killed_in_flight": sum(r["killed"] for r in rows),
              "identical": identical, "losses_compared": len(expected), "flags": FLAGS,
              "table": rows}  # fmt: skip
    path = record.save(record.named("kill_train", quick), result)
    click.echo(f"{identical} of {len(rows)} bit-identical: {path}")


if __name__ == "__main__":
    main()
