"""How two stores differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pepland_data.report.counting.leakage import SEARCHED
from pepland_data.report.counting.rows import some_rows
from pepland_data.report.counting.similarity import near_duplicates
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.summary import most_frequent

LISTED = 12
"""Fragments or residues of a list."""
LOOKED_UP = 20_000
"""Most peptides of the second store that are looked for in the first one."""


def drift_numbers(
    first: GraphStore, second: GraphStore, about: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> dict[str, Any]:
    """Compare two stores.

    Args:
        first: a store.
        second: another one.
        about: what is known of each, see `numbers.store_numbers`.
    """
    counts = [most_frequent([s], len(s.tables.fragment_smiles)) for s in (first, second)]
    residues = [
        {one["residue"]: one["count"] for one in each["residues"]["composition"]} for each in about
    ]
    one, two = (each["sizes"] for each in about)
    return {
        "largest_difference": {name: largest_difference(one[name], two[name]) for name in one},
        "fragment_distance": distance(*counts),
        "residue_distance": distance(*residues),
        "fragments": _differences(*counts),
        "residues": _differences(*residues),
        "fragments_shared": len(counts[0].keys() & counts[1].keys()),
        "fragments_only_first": len(counts[0].keys() - counts[1].keys()),
        "fragments_only_second": len(counts[1].keys() - counts[0].keys()),
        "second_covered_share": _covered(counts[1], counts[0]),
        "first_covered_share": _covered(counts[0], counts[1]),
        "peptides": _shared_peptides(first, second),
    }


def largest_difference(one: Mapping[str, Any], two: Mapping[str, Any]) -> float | None:
    """Return the largest difference of the cumulative shares of two tallies (Kolmogorov-Smirnov).

    Args:
        one: see `sizes.tally`.
        two: another tally; None is returned if one of them is empty.
    """
    if not one or not two:
        return None
    at = np.union1d(one["values"], two["values"])
    a, b = (_cumulative(part, at) for part in (one, two))
    return float(np.abs(a - b).max())


def _cumulative(part: Mapping[str, Any], at: Any) -> Any:
    whole = np.cumsum([0, *part["counts"]])
    return whole[np.searchsorted(part["values"], at, side="right")] / whole[-1]


def distance(one: Mapping[str, int], two: Mapping[str, int]) -> float | None:
    """Return the Jensen-Shannon distance of two compositions, base 2: 0 equal, 1 nothing in common.

    Args:
        one: name -> count.
        two: name -> count; None is returned if one of them is empty.
    """
    if not one or not two:
        return None
    p, q = _shares(one, two)
    middle = (p + q) / 2
    divergence = (_divergence(p, middle) + _divergence(q, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def _shares(one: Mapping[str, int], two: Mapping[str, int]) -> Any:
    names = sorted(one.keys() | two.keys())
    counts = np.array([[part.get(name, 0) for name in names] for part in (one, two)], float)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _divergence(p: Any, q: Any) -> float:
    seen = p > 0
    return float((p[seen] * np.log2(p[seen] / q[seen])).sum())


def _differences(one: Mapping[str, int], two: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the names whose shares differ most."""
    p, q = _shares(one, two)
    names = sorted(one.keys() | two.keys())
    order = np.argsort(-np.abs(p - q), kind="stable")[:LISTED].tolist()
    return [
        {"name": names[i], "first_share": float(p[i]), "second_share": float(q[i])} for i in order
    ]


def _covered(counts: Mapping[str, int], by: Mapping[str, int]) -> float | None:
    """Return the share of the occurrences whose fragment the other store has."""
    total = sum(counts.values())
    return sum(n for name, n in counts.items() if name in by) / total if total else None


def _shared_peptides(first: GraphStore, second: GraphStore) -> dict[str, int]:
    rows = some_rows(np.arange(len(second)), LOOKED_UP)
    others = some_rows(np.arange(len(first)), SEARCHED)
    near, same = near_duplicates(second, rows, others, first)
    return {
        "compared": len(rows), "searched": len(others),
        "near_duplicates": int((near >= 0).sum()), "duplicates": int((same >= 0).sum()),
    }  # fmt: skip
