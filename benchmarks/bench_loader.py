"""How many graphs per second do loaders give on one core, from a cold and a warm disk cache?

The same peptides for all, in random order, in batches of 512: pickled DGL graphs with ``dgl.batch``
(what is usually advised), DGL's GraphDataLoader, PyG in memory and on disk, LMDB, LitData, and ours
on every tier on the CPU, and on the GPU where there is one. Array gathers from memory are the
ceiling. Each loader runs in a process of its own on one core, without workers. Slow ones are
measured on fewer peptides, as the result says, and a long epoch is cut short. Not
measured: worker processes.

Peers that are not installed are left out with a reason; for all of them:
``pip install lmdb litdata torch_geometric`` beside ``pip install -e '.[dev]'``.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.common import record
from benchmarks.loaders.chart import draw
from benchmarks.loaders.rivals import RIVALS
from pepland_data import BuildOptions, FeaturizeOptions, GraphStore, build, open_store
from pepland_data.inputs.synthetic import SynthOptions, write_peptides

MEDIAN_LENGTH = 15
"""Residues; 130 atoms in the mean."""


def peptide_store(folder: Path, count: int) -> GraphStore:
    """Return a store of synthetic peptides, built where it is not there yet."""
    target = folder / f"store_{count}"
    if not (target / "manifest.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        options = SynthOptions(
            count=count, form="sequence", median_length=MEDIAN_LENGTH,
            noncanonical=0.0, cyclic=0.0, bridged=0.0,
        )  # fmt: skip
        write_peptides(str(folder / "peptides.txt"), options)
        build(
            folder / "peptides.txt", target, BuildOptions(FeaturizeOptions(input_format="sequence"))
        )
    return open_store(target)


def one(name: str, store: GraphStore, folder: Path, *options: str) -> str:
    """Run `loaders.one` and return what it prints; its last words if it fails."""
    count = len(store) if RIVALS[name].most is None else min(len(store), RIVALS[name].most)
    command = [sys.executable, "-m", "benchmarks.loaders.one", name, "--store", str(store.path)]
    command += ["--folder", str(folder), "--count", str(count), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{name}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def prepare(name: str, store: GraphStore, folder: Path) -> Path:
    """Return the folder with a loader's own files, written where they are not there yet."""
    target = folder / f"{name}_{len(store)}"
    if not (target / ".done").is_file():
        shutil.rmtree(target, ignore_errors=True)
        click.echo(f"{name}: writing its files", err=True)
        one(name, store, target, "--batch-size", "1", "--seconds", "0", "--repeats", "0",
            "--prepare")  # fmt: skip
        (target / ".done").touch()
    return target


def summary(name: str, measured: dict[str, Any], graphs: int) -> dict[str, Any]:
    """Return the figures of one loader."""
    rates = [epoch["rate"] for epoch in measured["warm"]]
    rival = RIVALS[name]
    return {
        "title": rival.title,
        "content": rival.content,
        "peptides": graphs if rival.most is None else min(graphs, rival.most),
        "graphs_per_s": {
            "median": statistics.median(rates), "low": min(rates), "high": max(rates)
        },
        "cold_graphs_per_s": measured["first_rate"],
        "atoms": statistics.mean(epoch["atoms"] for epoch in measured["warm"]),
        "private_mb": measured["private_bytes"] / 1e6,
        "private_added_mb": measured["private_added_bytes"] / 1e6,
    }  # fmt: skip


@click.command()
@click.option("--count", default=100_000, show_default=True, help="Peptides.")
@click.option("--batch-size", default=512, show_default=True)
@click.option("--seconds", default=60.0, show_default=True,
              help="Longest epoch; whole ones let slow peers keep what they can.")  # fmt: skip
@click.option("--repeats", default=3, show_default=True, help="Warm epochs.")
@click.option("--peers", default=",".join(RIVALS), show_default=True, help="Which to measure.")
@click.option("--folder", type=Path, help="Keep store and files here [default: a temporary one].")
@click.option("--prepare-only", is_flag=True, help="Write the files in --folder, measure nothing.")
@click.option("--quick", is_flag=True, help="2,000 peptides, one second.")
def main(
    count: int, batch_size: int, seconds: float, repeats: int, peers: str,
    folder: Path | None, prepare_only: bool, quick: bool,
) -> None:  # fmt: skip
    """Compare loaders; writes benchmarks/results/loader.json and loader.png."""
    count, seconds = (2000, 1.0) if quick else (count, seconds)
    if unknown := [name for name in peers.split(",") if name not in RIVALS]:
        raise click.UsageError(f"unknown peers {unknown}; known are {', '.join(RIVALS)}")
    with tempfile.TemporaryDirectory() as scratch:
        results = run(peers.split(","), folder or Path(scratch), count, prepare_only,
                      [f"--batch-size={batch_size}", f"--seconds={seconds}",
                       f"--repeats={repeats}", "--cold"])  # fmt: skip
    if not prepare_only:
        results["batch_size"] = batch_size
        path = record.save(record.named("loader", quick), results)
        draw(results, path.with_suffix(".png"))
        click.echo(path)


def run(
    names: Sequence[str], folder: Path, count: int, prepare_only: bool, options: Sequence[str]
) -> dict[str, Any]:
    """Return the results of every loader that can be measured, and why others were not."""
    store = peptide_store(folder, count)
    skipped = {name: why for name in names if (why := RIVALS[name].missing)}
    folders = {name: prepare(name, store, folder) for name in names if name not in skipped}
    loaders: dict[str, Any] = {}
    for name, target in folders.items():
        if not prepare_only:
            measured = json.loads(one(name, store, target, *options).splitlines()[-1])
            loaders[name] = summary(name, measured, len(store))
            click.echo(f"{name}: {loaders[name]['graphs_per_s']['median']:,.0f}", err=True)
    return {"peptides": len(store), "mean_atoms": float(store.num_atoms.mean()),
            "loaders": loaders, "skipped": skipped}  # fmt: skip


if __name__ == "__main__":
    main()
