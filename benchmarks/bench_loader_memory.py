"""How much memory does a process need to train from a store that is much larger?

A store of the wanted size is made by repeating a few thousand peptides; the cost of loading does
not depend on their content. Private memory is what the process wrote and the system cannot take
back; pages of the mapped store belong to the cache of the system. The memory with torch alone is
measured first, as the lower limit.
"""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common import record
from benchmarks.common.repeated_store import repeated_store
from benchmarks.loaders.measure_one import private_bytes
from pepland_data import GraphLoader, open_store

BYTES_PER_GRAPH = 1490
"""Approximate size of the repeated peptides, which decides their number."""
DISTINCT = 2000


def measure(path: Path, batch_size: int, seconds: float) -> dict[str, Any]:
    """Return private memory before, with the store opened, and after shuffled batches."""
    torch.set_num_threads(1)
    before = private_bytes()
    store = open_store(path)
    loader = GraphLoader(store, batch_size, tier="mmap")
    opened = private_bytes()
    largest, graphs, began = opened, 0, time.perf_counter()
    for step, batch in enumerate(loader):
        graphs += batch.num_graphs
        if step % 200 == 0:
            largest = max(largest, private_bytes())
        if time.perf_counter() - began > seconds:
            break
    return {
        "store_bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        "store_graphs": len(store),
        "graphs_loaded": graphs,
        "shards_opened_share": float(loader._source._opened[0].mean()),
        "private_mb_before": before / 1e6,
        "private_mb_opened": opened / 1e6,
        "private_mb_largest": max(largest, private_bytes()) / 1e6,
        "resident_mb_with_the_systems_cache":
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }  # fmt: skip


@click.command()
@click.option("--gigabytes", default=10.0, show_default=True, help="Size of the store.")
@click.option("--batch-size", default=512, show_default=True)
@click.option("--seconds", default=60.0, show_default=True, help="Longest epoch.")
@click.option("--folder", type=Path, help="Make the store here [default: a temporary folder].")
@click.option("--quick", is_flag=True, help="A store of 50 MB, ten seconds.")
def main(
    gigabytes: float, batch_size: int, seconds: float, folder: Path | None, quick: bool
) -> None:
    """Load from a large store; writes benchmarks/results/loader_memory.json."""
    gigabytes, seconds = (0.05, 10.0) if quick else (gigabytes, seconds)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        graphs = int(gigabytes * 1e9 / BYTES_PER_GRAPH)
        if shutil.disk_usage(scratch).free < 1.2e9 * gigabytes:
            raise click.ClickException(f"{scratch} has no room for {gigabytes} GB; give a --folder")
        path = repeated_store(Path(scratch), graphs, DISTINCT).path
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            result = fresh.submit(measure, path, batch_size, seconds).result()
    click.echo(f"{result}\n{record.save(record.named('loader_memory', quick), result)}")


if __name__ == "__main__":
    main()
