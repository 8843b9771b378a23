"""The chart of `bench_loader`: one bar per loader, on a logarithmic scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

OURS, PEER, LIMIT = "#0b6e4f", "#9aa5b1", "#d9c36a"


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw graphs per second: warm epochs as bars, the cold epoch as a mark."""
    from matplotlib.figure import Figure

    loaders = sorted(results["loaders"].items(), key=lambda item: _rate(item[1]))
    figure = Figure(figsize=(9, 0.52 * len(loaders) + 1.7), layout="constrained")
    axes = figure.subplots()
    for place, (name, loader) in enumerate(loaders):
        rate = _rate(loader)
        axes.barh(place, rate, color=_color(name), height=0.7)
        axes.text(rate * 1.12, place, f"{rate:,.0f}", va="center", fontsize=10)
        axes.plot(loader["cold_graphs_per_s"], place, "|", color="black", ms=15, mew=2)
    axes.set_xscale("log")
    axes.set_xlim(right=max(_rate(loader) for _, loader in loaders) * 6)
    axes.set_yticks(range(len(loaders)), [_label(loader, results) for _, loader in loaders])
    axes.set_xlabel("peptide graphs per second on one core (black mark: first epoch, cold, "
                    "opening included)")  # fmt: skip
    axes.set_title(
        f"Batches of {results['batch_size']} peptides of {results['mean_atoms']:.0f} atoms, "
        "shuffled",
        fontsize=12,
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def _rate(loader: dict[str, Any]) -> float:
    rate: float = loader["graphs_per_s"]["median"]
    return rate


def _color(name: str) -> str:
    if name == "gathers":
        return LIMIT
    return OURS if name.removeprefix("cuda_") in ("mmap", "host", "device") else PEER


def _label(loader: dict[str, Any], results: dict[str, Any]) -> str:
    fewer = loader["peptides"] < results["peptides"]
    return loader["title"] + (f"\n(on {loader['peptides']:,})" if fewer else "")
