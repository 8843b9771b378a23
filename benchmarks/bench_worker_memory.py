"""Does the memory of build workers grow with the input, or with hostile rows?

Resident memory with shared libraries is sampled four times per second, while one worker builds
10,000 and 200,000 synthetic peptides, and two workers build 10,000 rows, most of them hostile.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.common import record
from benchmarks.common.processes import thinned, watch
from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from tests.helpers.hostile_rows import csv_file, hostile_rows


def measure(source: Path, workers: int, *more: str) -> dict[str, Any]:
    """Build a file in a separate process; return seconds, and memory by role."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        out = str(Path(folder) / "store")
        usage = watch(["build", str(source), "--out", out, "--workers", str(workers), *more])
    if usage.returncode not in (0, 3):
        raise SystemExit(f"the build ended with exit code {usage.returncode}")
    roles, rows = usage.resident_memory()
    columns = [[round(v, 1) for v in column] for column in zip(*thinned(rows, 60), strict=True)]
    series = dict(zip(["seconds", *roles], columns, strict=True))
    peaks = {role: max(series[role]) for role in roles}
    return {"seconds": round(usage.seconds, 1), "peak_mib": peaks, "series": series}


def chart(results: dict[str, Any], path: Path) -> None:
    """Draw memory over time, one line for each role and input."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    styles = dict(zip(results, ("-", "--", ":"), strict=False))
    colours = {"parent": "#999999", "worker": "#e08a00", "converting": "#3b75af"}
    for name, found in results.items():
        series = found["series"]
        for role, colour in colours.items():
            if role in series:
                label = f"{role}, {name}"
                axes.plot(series["seconds"], series[role], styles[name], color=colour, label=label)
    axes.axhline(1024, color="#cc0c26", linewidth=1)
    axes.annotate("1 GiB", (0, 1024), xytext=(2, -12), textcoords="offset points")
    axes.set(xlabel="seconds", ylabel="resident memory, MiB", ylim=(0, 1100))
    axes.legend(frameon=False, fontsize=8, ncols=3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


@click.command()
@click.option("--few", default=10_000, show_default=True, help="Peptides of the small input.")
@click.option("--many", default=200_000, show_default=True, help="Peptides of the large input.")
@click.option("--hostile", default=10_000, show_default=True, help="Rows of the hostile input.")
def main(few: int, many: int, hostile: int) -> None:
    """Measure and write benchmarks/results/worker_memory.json and .png."""
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (few, many):
            source = folder / f"{count}.csv"
            write_peptides(str(source), SynthOptions(count=count), lambda done: None)
            results[f"{count:,} synthetic"] = measure(source, 1)
        (folder / "hostile.csv").write_bytes(csv_file(hostile_rows(hostile)))
        limits = ("--time-limit", "5", "--max-reject-frac", "1")
        results[f"{hostile:,} hostile"] = measure(folder / "hostile.csv", 2, *limits)
    saved = record.save("worker_memory", results)
    chart(results, saved.with_suffix(".png"))
    click.echo(saved)


if __name__ == "__main__":
    main()
