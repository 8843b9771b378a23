"""The chart of ``bench_model``: gain of each technique, batch sizes, distinct states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pepland_data.draw.figures import COLORS

BLUE, RED, GREY = *COLORS[:2], "#5d6b7a"


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the parts that were measured, one panel each."""
    from matplotlib.figure import Figure

    panels = [(part, panel) for part, panel in PANELS.items() if part in results]
    if not panels:
        return
    figure = Figure(figsize=(6 * len(panels), 4.2), layout="constrained")
    for i, (part, panel) in enumerate(panels):
        panel(figure.add_subplot(1, len(panels), i + 1), results[part]["found"])
    figure.savefig(path, dpi=120)


def techniques(axes: Any, found: dict[str, Any]) -> None:
    """Bars: peptides per second, formulation by formulation."""
    rows = found["rows"]
    for kind, shift, color in (("inference", 0.2, BLUE), ("training", -0.2, RED)):
        named = [(i, r[kind]["graphs_per_s"]) for i, r in enumerate(rows) if kind in r]
        places = [-i + shift for i, _ in named]
        rates = [s["median"] for _, s in named]
        axes.barh(places, rates, 0.36, color=color, label=kind)
        for place, rate in zip(places, rates, strict=True):
            axes.annotate(f" {rate:,.0f}", (rate, place), va="center", fontsize=8)
    axes.set(xscale="log", xlim=(5, 5000), xlabel="peptides per second",
             title="Each technique added to the one above")  # fmt: skip
    axes.set_yticks([-i for i in range(len(rows))], [r["variant"] for r in rows])
    axes.legend(frameon=False, loc="upper right")


def batch_sizes(axes: Any, found: dict[str, Any]) -> None:
    """Lines: peptides per second over the batch size."""
    for kind, color in (("inference", BLUE), ("training", RED)):
        rows = [r for r in found["rows"] if kind in r]
        rates = [r[kind]["graphs_per_s"]["median"] for r in rows]
        axes.plot([r["batch_size"] for r in rows], rates, "o-", color=color, label=kind)
    axes.set(xscale="log", ylim=(0, None), xlabel="peptides per batch",
             ylabel="peptides per second", title="Each state of a batch computed once")  # fmt: skip
    axes.legend(frameon=False)


def distinct(axes: Any, found: list[dict[str, Any]]) -> None:
    """Lines: share of distinct rows after each round."""
    first = found[0]
    for kind, style in (("batch", "-"), ("masked_batch", "--")):
        for view, color in (("atom", BLUE), ("fragment", RED)):
            view_counts = first[kind][view]
            shares = [n / view_counts["nodes"] for n in view_counts["distinct_nodes"]]
            label = f"{view}s, {'80 % masked' if kind == 'masked_batch' else 'not masked'}"
            axes.plot(shares, style, marker="o", color=color, label=label)
    axes.set(yscale="log", xlabel="rounds (5: last layer)", ylabel="distinct rows / rows",
             title=f"{first['name']}, batches of {first['batch']['graphs']}")  # fmt: skip
    axes.axhline(1, color=GREY, linewidth=0.5)
    axes.legend(frameon=False, fontsize=8)


PANELS = {"baseline": techniques, "sizes": batch_sizes, "counts": distinct}
