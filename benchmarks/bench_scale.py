"""What does a large build cost: seconds, memory over time, bytes, verify, open?

The command line builds a store of synthetic peptides. Memory and processor time are those of the
parent and of all its workers, sampled four times per second. Processor time is recorded in addition
to seconds, because other load affects seconds. Memory is what belongs to no file; mapped pages,
which the system can take back, are not counted.

A build of a few peptides shows what parent and workers use to start. The rest grows with the data,
and its ratio shows how many workers one parent can keep busy. The prediction for more cores is
computed from these four figures (`predicted`). Not measured: a slower disk, workers on other
machines, and whether the memory of 32 cores is as fast per core as that of two.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from benchmarks.common import record
from benchmarks.common.commands import PEPLAND_DATA
from benchmarks.common.processes import Usage, thinned, watch

OPEN = (
    "import sys, time; from pepland_data import open_store; import pepland_data.store.graph_store;"
    "t = time.perf_counter(); s = open_store(sys.argv[1]); a = time.perf_counter() - t;"
    "s[len(s) // 2]; print(a, time.perf_counter() - t)"
)


def environment(folder: Path) -> dict[str, str]:
    """Return environment variables with which Python keeps compiled files.

    Without them every process would compile the package again, which would count as start-up.
    """
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def seconds(command: list[str], env: dict[str, str]) -> float:
    """Run a command, check that it succeeds, and return its seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=env)
    return time.perf_counter() - start


def open_times(store: Path) -> dict[str, float]:
    """Return median seconds in a new process: to open, and to open and read one graph."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", OPEN, str(store)], check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(5)
    ]
    opened, read = zip(*(map(float, run) for run in runs), strict=True)
    return {"open_s": statistics.median(opened), "first_graph_s": statistics.median(read)}


def built(
    form: str, count: int, workers: int, rows_per_shard: int, folder: Path, every_s: float
) -> tuple[Usage, float]:
    """Make a corpus and build it; return the usage of the build, and the seconds to make it."""
    source, env = folder / "in.csv", environment(folder)
    synth = [*PEPLAND_DATA, "synth", str(source), "--form", form, "--count", str(count)]
    synth_s = seconds(synth, env)
    build = ["build", str(source), "--out", str(folder / "store"), "--workers", str(workers)]
    build += ["--rows-per-shard", str(rows_per_shard), "--input-format", form]
    usage = watch(build, every_s, env)
    if usage.returncode:
        raise SystemExit(f"the build ended with {usage.returncode}")
    return usage, synth_s


def start_costs(form: str, workers: int, folder: Path) -> tuple[float, float]:
    """Return processor seconds to start, of the parent and of all workers.

    They are the medians of three builds of a few one-row shards, after one that compiles Python.
    """
    found = []
    for _ in range(4):
        usage, _ = built(form, 2 * workers, workers, 1, folder, every_s=0.02)
        found.append(usage)
        shutil.rmtree(folder / "store")
    parent = statistics.median(usage.parent_cpu_s for usage in found[1:])
    return parent, statistics.median(usage.workers_cpu_s for usage in found[1:])


def one(form: str, count: int, workers: int, rows_per_shard: int, folder: Path) -> dict[str, Any]:
    """Make, build, verify, open and delete one corpus; return its figures."""
    source, store = folder / "in.csv", folder / "store"
    parent_start, workers_start = start_costs(form, workers, folder)
    usage, synth_s = built(form, count, workers, rows_per_shard, folder, every_s=0.25)
    verify_s = seconds([*PEPLAND_DATA, "verify", str(store)], environment(folder))
    found, memory = store_figures(store), usage.anonymous_memory()
    parent_grows = max(usage.parent_cpu_s - parent_start, 0.0)
    workers_grow = max(usage.workers_cpu_s - workers_start, 1e-9)
    row = {
        "form": form, "peptides": count, "workers": workers, "rows_per_shard": rows_per_shard,
        "input_bytes": source.stat().st_size, "synth_s": synth_s, "build_s": usage.seconds,
        "rows_per_s": count / usage.seconds, "parent_cpu_s": usage.parent_cpu_s,
        "workers_cpu_s": usage.workers_cpu_s, "parent_share": usage.parent_share,
        "parent_start_cpu_s": parent_start, "workers_start_cpu_s": workers_start,
        "parent_growing_cpu_s": parent_grows, "workers_growing_cpu_s": workers_grow,
        "parent_growing_share": parent_grows / workers_grow,
        "parent_ms_a_shard": 1e3 * parent_grows / found["shards"],
        "rows_per_worker_cpu_s": count / usage.workers_cpu_s, "verify_s": verify_s,
        "parent_peak_mib": max(parent for _, parent, _ in memory),
        "workers_peak_mib": max(workers for _, _, workers in memory),
        "processes": usage.processes, **found, **open_times(store), "memory": thinned(memory, 120),
    }  # fmt: skip
    row["predicted"] = predictions(row)
    row["predicted_speedup_32_cores"] = row["predicted"]["this_many"]["speedup"]
    shutil.rmtree(store)
    source.unlink()
    return row


def store_figures(store: Path) -> dict[str, Any]:
    """Return counts and bytes of a store."""
    from pepland_data import open_store

    opened = open_store(store)
    counts, total = opened.manifest.counts, opened.nbytes
    return {
        "graphs": counts["graphs"], "rejects": counts["rejects"],
        "atoms_a_graph": counts["atoms"] / max(counts["graphs"], 1), "store_bytes": total,
        "bytes_a_graph": total / max(counts["graphs"], 1), "shards": len(opened.manifest.shards),
        "manifest_bytes": (store / "manifest.json").stat().st_size,
    }  # fmt: skip


FORMULA = (
    "seconds(n) = parent_start + worker_start + max(times * parent_growing, "
    "times * workers_growing / n); seconds(1) adds instead of taking the larger; "
    "all are processor seconds, worker_start that of one worker; speedup = seconds(1) / seconds(n)"
)


def predictions(row: dict[str, Any], cores: int = 32) -> dict[str, Any]:
    """Return the predicted seconds with one worker on each of so many cores, and the formula.

    The parent distributes work and collects results while workers work, so the slower of both
    counts; it can keep ``workers_that_wait_for_nobody`` workers busy. The start dominates a build
    of seconds, so the prediction is also made for a hundred times as many peptides.
    """
    start = row["parent_start_cpu_s"] + row["workers_start_cpu_s"] / row["workers"]
    parent, workers = row["parent_growing_cpu_s"], row["workers_growing_cpu_s"]
    found: dict[str, Any] = {"cores": cores, "formula": FORMULA}
    found["workers_that_wait_for_nobody"] = workers / max(parent, 1e-9)
    for name, times in (("this_many", 1), ("a_hundred_times_as_many", 100)):
        alone = start + times * (parent + workers)
        together = start + times * max(parent, workers / cores)
        found[name] = {"seconds_one": alone, "seconds": together, "speedup": alone / together}
    return found


def kept(name: str) -> list[dict[str, Any]]:
    """Return the runs of an earlier result file."""
    path = record.RESULTS / f"{name}.json"
    return json.loads(path.read_text())["results"]["runs"] if path.is_file() else []


def same(row: dict[str, Any], again: set[tuple[str, int]], rows_per_shard: int) -> bool:
    """Return whether a recorded run is repeated now."""
    return (row["form"], row["peptides"]) in again and row["rows_per_shard"] == rows_per_shard


def chart(runs: list[dict[str, Any]], path: Path) -> None:
    """Draw memory of parent and workers over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(runs), 3.4), layout="constrained")
    for axis, row in zip(figure.subplots(1, len(runs), squeeze=False)[0], runs, strict=True):
        second, parent, workers = zip(*row["memory"], strict=True)
        label = f"{row['processes'] - 1} other processes"
        axis.plot(second, workers, label=label, color="tab:orange")
        axis.plot(second, parent, label="parent", color="tab:blue")
        title = f"{row['peptides']:,} {row['form']}, {row['rows_per_shard']:,} per shard"
        axis.set(title=title, xlabel="s", ylabel="MiB")
        axis.set_ylim(0)
        axis.legend(loc="center right", frameon=False)
    figure.savefig(path, dpi=110)


@click.command()
@click.option(
    "--run", "runs", multiple=True, default=["sequence:1000000", "smiles:1000000"],
    show_default=True, help="FORM:PEPTIDES; may be repeated.",
)  # fmt: skip
@click.option("--workers", default=2, show_default=True)
@click.option("--rows-per-shard", default=1000, show_default=True)
@click.option("--scratch", help="Folder for inputs and stores, which are deleted [temporary].")
@click.option("--name", default="scale", show_default=True, help="Name of the result file.")
def main(
    runs: tuple[str, ...], workers: int, rows_per_shard: int, scratch: str | None, name: str
) -> None:
    """Build many peptides and write benchmarks/results/NAME.json and NAME.png."""
    again = {(form, int(count)) for form, count in (run.split(":") for run in runs)}
    rows = [row for row in kept(name) if not same(row, again, rows_per_shard)]
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for run in runs:
            form, count = run.split(":")
            row = one(form, int(count), workers, rows_per_shard, Path(folder))
            click.echo(str({k: v for k, v in row.items() if k != "memory"}), err=True)
            rows.append(row)
            path = record.save(name, {"runs": rows})
    chart(rows, path.with_suffix(".png"))
    click.echo(str(path))


if __name__ == "__main__":
    main()
