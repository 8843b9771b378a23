"""The numbers of a report as pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pepland_data.draw.figures import (
    COLORS,
    DASHES,
    INK,
    Picture,
    as_picture,
    empty_figure,
    figure_of_bars,
    figure_of_histograms,
    number_text,
)
from pepland_data.report.counting.fragments import PUBLISHED_SIZE

Numbers = Mapping[str, Any]
MOST_BINS = 40
TAIL = 0.995
"""Share of the peptides before the end of a histogram of sizes; its last bin holds the others."""
NEAR_END = 1.3
"""Times that end; if no peptide is larger, all are inside."""
MOST_BARS = 20
LABEL = 22
"""Characters of a name beside a bar."""


def size_pictures(stores: Mapping[str, Numbers]) -> list[Picture]:
    """Draw how long peptides are, in residues or pieces, in atoms and in fragments.

    Args:
        stores: name -> numbers of a store.
    """
    unit, lengths = _lengths(stores)
    parts = {unit: lengths} | {
        key: {name: one["sizes"][key] for name, one in stores.items()}
        for key in ("atoms", "fragments")
    }
    drawn = (_sizes(unit, tallies) for unit, tallies in parts.items())
    return [picture for picture in drawn if picture]


def _lengths(stores: Mapping[str, Numbers]) -> tuple[str, dict[str, Numbers]]:
    """Return residues if at least half of the peptides of each store have HELM, else pieces."""
    if all(has_residues(one) for one in stores.values()):
        return "residues", {name: one["residues"]["lengths"] for name, one in stores.items()}
    return "pieces", {name: one["sizes"]["pieces"] for name, one in stores.items()}


def has_residues(store: Numbers) -> bool:
    """Return whether at least half of the peptides that were looked at have HELM."""
    known = store["residues"]
    return bool(2 * known["with_helm"] >= known["peptides"])


def _sizes(unit: str, tallies: Mapping[str, Numbers]) -> Picture | None:
    known = {name: one for name, one in tallies.items() if one}
    if not known:
        return None
    low = min(one["values"][0] for one in known.values())
    high, largest = (max(map(end, known.values())) for end in (_reached, lambda one: one["max"]))
    high = largest if largest <= NEAR_END * high else high
    width = max(1, math.ceil((high - low + 1) / MOST_BINS))
    edges = np.arange(low, high + width + 1, width) - 0.5
    heights = {name: _percent(_binned(one, edges)) for name, one in known.items()}
    figure, _ = figure_of_histograms(edges.tolist(), heights, unit, "peptides, %")
    title = f"{unit.capitalize()} of a peptide"
    note = (
        f"The last bin holds all larger ones; the largest has {largest:,}."
        if largest > edges[-1]
        else ""
    )
    return as_picture(figure, title, note)


def _reached(one: Numbers) -> int:
    """Return the size that a share `TAIL` of the peptides does not exceed."""
    shares = np.cumsum(one["counts"]) / sum(one["counts"])
    return int(one["values"][int(np.searchsorted(shares, TAIL))])


def _binned(one: Numbers, edges: Any) -> Any:
    values = np.minimum(one["values"], edges[-1])
    return np.histogram(values, edges, weights=one["counts"])[0]


def _percent(counts: Any) -> list[float]:
    array = np.asarray(counts, float)
    shares: list[float] = (100 * array / max(array.sum(), 1)).tolist()
    return shares


def residue_picture(stores: Mapping[str, Numbers]) -> Picture | None:
    """Draw the shares of the residues that are frequent in one of the stores."""
    shares = {name: _residue_shares(one) for name, one in stores.items()}
    most = {
        r: max(part.get(r, 0.0) for part in shares.values()) for p in shares.values() for r in p
    }
    if not most:
        return None
    rows = sorted(most, key=lambda residue: (-most[residue], residue))[:MOST_BARS]
    title = "Residues"
    figure = _bars(
        "residues, %", rows, {n: [p.get(r, 0.0) for r in rows] for n, p in shares.items()}
    )
    return as_picture(figure, title)


def _residue_shares(store: Numbers) -> dict[str, float]:
    return {one["residue"]: 100 * one["share"] for one in store["residues"]["composition"]}


def coverage_picture(store: Numbers) -> Picture | None:
    """Draw which shares of fragments and of peptides the k most frequent fragments cover."""
    curve = store["fragments"]["curve"]
    if not curve:
        return None
    title = "What the most frequent fragments cover"
    figure, axes = empty_figure("most frequent fragments", "covered, %", 2.8)
    names = {"fragment_share": "all fragments", "peptide_share": "peptides with no other"}
    for (key, name), dash, color in zip(names.items(), DASHES, COLORS, strict=False):
        x, y = [one["k"] for one in curve], [100 * one[key] for one in curve]
        axes.plot(x, y, linestyle=dash, color=color, label=name)
    axes.set(xscale="log", ylim=(0, 102))
    axes.xaxis.set_major_formatter(lambda value, _: number_text(float(value)))
    axes.axvline(PUBLISHED_SIZE, color=INK, alpha=0.5, linewidth=1, linestyle=":")
    axes.annotate(f"{PUBLISHED_SIZE}", (PUBLISHED_SIZE, 3), xytext=(-3, 0), ha="right",
                  textcoords="offset points", size="small")  # fmt: skip
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, ncols=2)
    note = f"Dotted: {PUBLISHED_SIZE}, the size of the published vocabulary."
    return as_picture(figure, title, note)


def leakage_picture(split: Numbers) -> Picture | None:
    """Draw how similar the peptides of each set are to the nearest one in training."""
    sets = split["sets_compared"]
    if not sets:
        return None
    title = f"Similarity to the nearest peptide of {split['train']}, split {split['name']}"
    heights = {one["set"]: _percent(one["counts"]) for one in sets}
    figure, _ = figure_of_histograms(sets[0]["edges"], heights, "similarity", "peptides, %")
    return as_picture(figure, title)


def label_pictures(labels: Numbers) -> list[Picture]:
    """Draw the values of each column by set."""
    return [_label(one) for one in labels["columns"]]


def _label(one: Numbers) -> Picture:
    title, sets = str(one["name"]), one["sets"]
    if "edges" in one:
        heights = {name: _percent(part["counts"]) for name, part in sets.items()}
        figure, _ = figure_of_histograms(one["edges"], heights, title, "peptides, %")
    else:
        shares = {name: _percent(part["counts"]) for name, part in sets.items()}
        figure = _bars("peptides, %", one["classes"], shares)
    return as_picture(figure, title)


def difference_pictures(drift: Numbers, names: Sequence[str]) -> list[Picture]:
    """Draw the residues and the fragments whose shares in two stores differ most."""
    return [
        _differences(drift[key], names, key, f"{key.capitalize()} whose shares differ most")
        for key in ("residues", "fragments")
        if drift[key]
    ]


def _differences(rows: Sequence[Numbers], names: Sequence[str], key: str, title: str) -> Picture:
    keys = zip(names, ("first_share", "second_share"), strict=True)
    shares = {name: [100 * row[share] for row in rows] for name, share in keys}
    figure = _bars(f"{key}, %", [row["name"] for row in rows], shares)
    return as_picture(figure, title)


def _bars(label: str, rows: Sequence[str], lengths: Mapping[str, Sequence[float]]) -> Any:
    """Return a figure with the lengths of each row, under names that fit beside the bars."""
    short = short_names(rows)
    panel = {name: dict(zip(short, part, strict=True)) for name, part in lengths.items()}
    return figure_of_bars({label: panel})


def short_names(names: Sequence[str]) -> list[str]:
    """Return names of at most `LABEL` characters, and a number behind those that are then equal."""
    found: list[str] = []
    for name in names:
        short = name if len(name) <= LABEL else f"{name[: LABEL - 1]}…"
        again = sum(one == short or one.startswith(f"{short} (") for one in found)
        found.append(f"{short} ({again + 1})" if short in found else short)
    return found
