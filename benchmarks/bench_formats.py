"""What does a store cost as Arrow and as Zarr: bytes per graph, seconds to convert, open and load?

The peptides are synthetic, with about 130 atoms; texts and row numbers are included, pass-through
columns are not. Loading means decoding all columns into memory, on one core. Not measured: a cold
disk, a network.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common import record
from pepland_data import BuildOptions, GraphStore, build, open_store
from pepland_data.builder.convert_format import convert
from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from pepland_data.loader.corpus import Corpus
from pepland_data.loader.tiers.host import flat_corpus
from pepland_data.store.verify import verify
from pepland_model.measure.roofline import times


def seconds(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return median, lowest and highest seconds of some calls after a warm-up."""
    return record.median_range(times(work, torch.device("cpu"), 0, repeats))


def parts(store: GraphStore) -> dict[str, float]:
    """Return the bytes per graph of each array of a Zarr store, the small ones as one."""
    sums: dict[str, int] = {}
    for entry in store.manifest.entries():
        name = entry.file.split("/")[1] if "/" in entry.file else "others"
        sums[name] = sums.get(name, 0) + entry.bytes
    each = {name: count / len(store) for name, count in sums.items()}
    large = {name: value for name, value in each.items() if value >= 1}
    return {**large, "others": sum(each.values()) - sum(large.values())}


def measure(path: Path, repeats: int) -> dict[str, Any]:
    """Return bytes and reading times of a store."""
    store = open_store(path)
    return {
        "bytes_per_graph": store.nbytes / len(store),
        "files": len(store.manifest.entries()),
        "open_s": seconds(lambda: open_store(path), repeats),
        "load_s": seconds(lambda: flat_corpus(Corpus([open_store(path)])), repeats),
        "verify_s": seconds(lambda: verify(path), 1),
    }


def chart(results: dict[str, Any], path: Path) -> None:
    """Draw the bytes per graph of both formats, Zarr's by array."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots()
    arrow = results["arrow"]["bytes_per_graph"]
    axes.barh(1, arrow, color="#9aa5b1", height=0.6)
    axes.text(arrow, 1, f" {arrow:,.0f}", va="center")
    colors = colormaps["tab20"].colors
    start = 0.0
    found = sorted(results["zarr_parts"].items(), key=lambda item: -item[1])
    for (name, value), color in zip(found, colors, strict=False):
        axes.barh(0, value, left=start, color=color, height=0.6, label=f"{name} {value:.0f}")
        start += value
    axes.text(start, 0, f" {start:,.0f}", va="center")
    axes.set_yticks([0, 1], ["Zarr", "Arrow"])
    axes.set_xlabel(f"bytes per graph of {results['mean_atoms']:.0f} atoms")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center",
                bbox_to_anchor=(0.5, -0.22), title="Zarr, by array")  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


@click.command()
@click.option("--count", default=100_000, show_default=True, help="Peptides.")
@click.option("--workers", default=2, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Folder for the store, which is kept."
)
def main(count: int, workers: int, repeats: int, keep: Path | None) -> None:
    """Measure both formats of one store and write results/formats.json and .png."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        source, arrow = folder / "in.txt", folder / "arrow"
        if not source.exists():
            write_peptides(source, SynthOptions(count, seed=3, median_length=15))
        build(source, arrow, BuildOptions(workers=workers))
        start = time.perf_counter()
        to_zarr = convert(arrow, Path(temporary) / "zarr", "zarr", workers)
        there = time.perf_counter() - start
        start = time.perf_counter()
        convert(Path(temporary) / "zarr", Path(temporary) / "back", "arrow", workers)
        back = time.perf_counter() - start
        store = open_store(arrow)
        results = {
            "peptides": len(store),
            "mean_atoms": float(store.num_atoms.mean()),
            "workers": workers,
            "to_zarr_s": there,
            "to_arrow_s": back,
            "arrow": measure(arrow, repeats),
            "zarr": measure(Path(to_zarr.path), repeats),
            "zarr_parts": parts(open_store(to_zarr.path)),
        }
    click.echo(record.save("formats", results))
    chart(results, record.RESULTS / "formats.png")


if __name__ == "__main__":
    main()
