"""How many graphs per second do loaders give on one core, from a cold and a warm disk cache?

All loaders get the same peptides, in random order, in batches of 512: pickled DGL graphs with
``dgl.batch`` (the usual advice), DGL's GraphDataLoader, PyG in memory and on disk, LMDB, LitData,
and ours on every tier, on the CPU and on a GPU if there is one. Array gathers from memory are the
upper limit. Each loader runs in a separate process on one core, without workers. Slow loaders are
measured on fewer peptides, as the result says, and a long epoch is cut short. Not measured: worker
processes.

Loaders that are not installed are left out with a reason; to install all of them:
``pip install lmdb litdata torch_geometric`` and ``pip install -e '.[dev]'``.
"""

from __future__ import annotations

import json
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
from benchmarks.common.commands import ONE_THREAD
from benchmarks.loaders.catalog import LOADERS
from benchmarks.loaders.chart import draw
from pepland_data import BuildOptions, FeaturizeOptions, GraphStore, build, open_store
from pepland_data.inputs.synthetic import SynthOptions, write_peptides

MEDIAN_LENGTH = 15
"""Residues per peptide; this gives 130 atoms on average."""


def peptide_store(folder: Path, count: int) -> GraphStore:
    """Return a store of synthetic peptides; it is built if it does not exist."""
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
    """Run `loaders.measure_one` and return its output, or raise with the end of its errors."""
    command = [sys.executable, "-m", "benchmarks.loaders.measure_one", name]
    command += ["--store", str(store.path), "--folder", str(folder)]
    command += ["--count", str(LOADERS[name].count(len(store))), *options]
    done = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{name}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def prepare(name: str, store: GraphStore, folder: Path) -> Path:
    """Return the folder with the own files of a loader; they are written if they do not exist."""
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
    loader = LOADERS[name]
    return {
        "title": loader.title,
        "content": loader.content,
        "peptides": loader.count(graphs),
        "graphs_per_s": record.median_range(rates),
        "cold_graphs_per_s": measured["first_rate"],
        "atoms": statistics.mean(epoch["atoms"] for epoch in measured["warm"]),
        "private_mb": measured["private_bytes"] / 1e6,
        "private_added_mb": measured["private_added_bytes"] / 1e6,
    }


@click.command()
@click.option("--count", default=100_000, show_default=True, help="Peptides.")
@click.option("--batch-size", default=512, show_default=True)
@click.option("--seconds", default=60.0, show_default=True,
              help="Longest epoch; in whole epochs slow loaders can keep more.")  # fmt: skip
@click.option("--repeats", default=3, show_default=True, help="Warm epochs.")
@click.option("--peers", default=",".join(LOADERS), show_default=True, help="Loaders to measure.")
@click.option("--folder", type=Path, help="Keep store and files here [default: a temporary one].")
@click.option("--prepare-only", is_flag=True, help="Write the files in --folder, measure nothing.")
@click.option("--quick", is_flag=True, help="2,000 peptides, one second.")
def main(
    count: int, batch_size: int, seconds: float, repeats: int, peers: str,
    folder: Path | None, prepare_only: bool, quick: bool,
) -> None:  # fmt: skip
    """Compare loaders; writes benchmarks/results/loader.json and loader.png."""
    count, seconds = (2000, 1.0) if quick else (count, seconds)
    if unknown := [name for name in peers.split(",") if name not in LOADERS]:
        raise click.UsageError(f"unknown peers {unknown}; expected some of {', '.join(LOADERS)}")
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
    """Return the results of every available loader, and the reason for each one left out."""
    store = peptide_store(folder, count)
    skipped = {name: why for name in names if (why := LOADERS[name].missing)}
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
