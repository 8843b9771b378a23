"""Measure one loader in a separate process, on one core; `bench_loader` runs it.

It prints one JSON document: graphs per second of each epoch, and the private memory.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.loaders.catalog import LOADERS
from pepland_data import open_store


def private_bytes() -> int:
    """Return the memory that only this process holds and that the system cannot take back.

    Pages of mapped files are not counted: they belong to the cache of the system.
    """
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    return 1024 * (kib["Private_Dirty"] + kib["Swap"])


def drop_cached(folders: list[Path]) -> None:
    """Remove the files of some folders from the cache of the system."""
    for path in (p for folder in folders for p in folder.rglob("*") if p.is_file()):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def timed(batches: Iterator[tuple[int, int]], seconds: float) -> dict[str, float]:
    """Return graphs per second of an epoch or of its first seconds, and mean atoms per graph."""
    graphs = atoms = 0
    began = time.perf_counter()
    for count, size in batches:
        graphs, atoms = graphs + count, atoms + size
        if time.perf_counter() - began > seconds:
            break
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    took = time.perf_counter() - began
    return {"graphs": graphs, "seconds": took, "rate": graphs / took, "atoms": atoms / graphs}


def measure(
    name: str, store_path: Path, folder: Path, count: int, batch_size: int,
    seconds: float, repeats: int, cold: bool,
) -> dict[str, Any]:  # fmt: skip
    """Return the speed of one loader in the first epoch and in warm ones, and its memory.

    The rate of the first epoch includes opening the files; with `cold` they are not in the cache of
    the system. Epochs longer than `seconds` are cut short, and the rate counts the graphs so far.
    """
    store = open_store(store_path)
    loader = LOADERS[name]
    loader.load_packages()
    if cold:
        drop_cached([store_path, folder])
    before = private_bytes()
    began = time.perf_counter()
    epochs = loader.open(store, folder, count, batch_size)
    opened_s = time.perf_counter() - began
    first = timed(epochs(0), seconds)
    warm = [timed(epochs(1 + i), seconds) for i in range(repeats)]
    after = private_bytes()
    return {
        "opened_s": opened_s,
        "first_rate": first["graphs"] / (opened_s + first["seconds"]),
        "warm": warm,
        "private_bytes": after,
        "private_added_bytes": after - before,
    }


@click.command()
@click.argument("name")
@click.option("--store", type=Path, required=True)
@click.option("--folder", type=Path, required=True)
@click.option("--count", type=int, required=True)
@click.option("--batch-size", type=int, required=True)
@click.option("--seconds", type=float, required=True)
@click.option("--repeats", type=int, required=True)
@click.option("--cold", is_flag=True)
@click.option("--prepare", is_flag=True, help="Only write the files of this loader.")
def main(
    name: str, store: Path, folder: Path, count: int, batch_size: int,
    seconds: float, repeats: int, cold: bool, prepare: bool,
) -> None:  # fmt: skip
    """Measure the loader NAME of `loaders.catalog`."""
    if prepare:
        folder.mkdir(parents=True, exist_ok=True)
        LOADERS[name].prepare(open_store(store), folder, count)
        return
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    click.echo(json.dumps(measure(name, store, folder, count, batch_size, seconds, repeats, cold)))


if __name__ == "__main__":
    main()
