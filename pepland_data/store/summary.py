"""Numbers about a store: counts, sizes, distributions, fragments and vocabulary coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.graph.vocabulary import Vocabulary
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.recorded import open_split, split_names


def row_counts(store: GraphStore) -> npt.NDArray[np.int64]:
    """Return how often each row of the fragment table occurs. [Uf] int64."""
    size = len(store.tables.fragment_smiles)
    total = np.zeros(size, np.int64)
    for s in range(store.num_shards):
        total += np.bincount(store.shard_columns(s).fragment_code, minlength=size)
    return total


def most_frequent(stores: Sequence[GraphStore], size: int) -> dict[str, int]:
    """Return the SMILES of the most frequent fragments of some stores, with their counts.

    Counts descend; fragments with equal counts are in the order of their SMILES.
    """
    counts: Counter[str] = Counter()
    for store in stores:
        for smiles, number in zip(store.tables.fragment_smiles, row_counts(store), strict=True):
            counts[smiles] += int(number)
    found = sorted((s for s in counts if counts[s]), key=lambda s: (-counts[s], s))
    return {smiles: counts[smiles] for smiles in found[:size]}


def coverage(store: GraphStore, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the shares of all fragments and of distinct fragments that a vocabulary contains."""
    counts = row_counts(store)
    known = vocabulary.labels(store.tables.fragment_smiles) != vocabulary.unknown
    used = counts > 0
    return {
        "size": len(vocabulary),
        "covered": float(counts[known].sum() / max(counts.sum(), 1)),
        "covered_distinct": float((known & used).sum() / max(used.sum(), 1)),
        "unknown": [
            {"smiles": store.tables.fragment_smiles[i], "count": int(counts[i])}
            for i in np.argsort(-counts * ~known, kind="stable")[:10]
            if counts[i] and not known[i]
        ],
    }


def summarize(store: GraphStore, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """Return counts, sizes, distributions, table sizes, splits and vocabulary coverage.

    Args:
        store: an opened store.
        vocabulary: None for no coverage.
    """
    m = store.manifest
    groups = ("atoms", "fragments", "bonds", "reactions")
    return {
        "path": store.location,
        "kind": m.kind,
        "versions": dict(m.versions),
        "options": dict(m.options),
        "input": dict(m.input),
        "counts": dict(m.counts),
        "shards": store.num_shards,
        "bytes": store.nbytes,
        "bytes_per_graph": store.nbytes / max(len(store), 1),
        "columns": list(m.columns),
        "tables": {
            "atom": len(store.tables.atom_x) - 1,
            "bond": len(store.tables.bond_x) - 1,
            "fragment": len(store.tables.fragment_x) - 1,
        },
        "distributions": {g: _distribution(getattr(store, f"num_{g}")) for g in groups},
        "vocabulary": coverage(store, vocabulary) if vocabulary else None,
        "splits": [_split(store, name) for name in split_names(store)],
    }


def _split(store: GraphStore, name: str) -> dict[str, Any]:
    split = open_split(store, name)
    recipe = dict(split.recipe)
    return {"name": name, "method": split.method, "recipe": recipe, "sets": split.counts()}


def _distribution(values: npt.NDArray[Any]) -> dict[str, float]:
    if not len(values):
        return {}
    low, median, high = np.percentile(values, (5, 50, 95))
    return {
        "mean": float(values.mean()),
        "min": int(values.min()),
        "p5": float(low),
        "median": float(median),
        "p95": float(high),
        "max": int(values.max()),
    }
