"""How often each fragment occurs, and what the most frequent ones or a vocabulary cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.graph.vocabulary import Vocabulary
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.summary import most_frequent

PUBLISHED_SIZE = 258
"""Fragments of the published vocabulary."""
LISTED = 24
"""Fragments of a list."""
STEPS = 40
"""About how many points the curve has."""

Counts = npt.NDArray[np.int64]


def fragment_numbers(store: GraphStore, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """Count the fragments of all peptides.

    Args:
        store: an opened store.
        vocabulary: a vocabulary; None for the `PUBLISHED_SIZE` most frequent fragments.

    Returns:
        the frequent and the unknown fragments, and `curve`: for some k, which shares of all
        fragments, and of the peptides as a whole, the k most frequent fragments cover.
    """
    counts = most_frequent([store], len(store.tables.fragment_smiles))
    names, numbers = list(counts), np.array(list(counts.values()), np.int64)
    known = Vocabulary(tuple(names[:PUBLISHED_SIZE])) if vocabulary is None else vocabulary
    is_known = known.labels(names) != known.unknown
    place = {name: i for i, name in enumerate(names)}
    rank = np.array([place.get(name, -1) for name in store.tables.fragment_smiles], np.int64)
    rarest, all_known = _by_peptide(store, rank, np.append(is_known, True)[rank])
    return {
        "occurrences": int(numbers.sum()),
        "distinct": len(names),
        "vocabulary": {
            "size": len(known),
            "given": vocabulary is not None,
            "fragment_share": _share(numbers[is_known].sum(), numbers.sum()),
            "peptide_share": _share(all_known, len(store)),
            "unknown": int((~is_known).sum()),
        },
        "curve": _curve(numbers, rarest),
        "most_frequent": _listed(names, numbers, np.arange(len(names))),
        "unknown": _listed(names, numbers, np.flatnonzero(~is_known)),
    }


def _by_peptide(store: GraphStore, rank: Counts, known: npt.NDArray[Any]) -> tuple[Counts, int]:
    """Return how many peptides have a rarest fragment of each rank, and how many are all known.

    Args:
        store: an opened store.
        rank: [Uf] int64, rank of each row of the fragment table.
        known: [Uf] bool, whether the vocabulary has it.
    """
    rarest, complete = np.zeros(len(rank) + 1, np.int64), 0
    for s in range(store.num_shards):
        c = store.shard_columns(s)
        if len(c):
            starts = c.fragment_ptr[:-1]
            worst = np.maximum.reduceat(rank[c.fragment_code], starts)
            rarest += np.bincount(worst, minlength=len(rarest))
            complete += int(np.logical_and.reduceat(known[c.fragment_code], starts).sum())
    return rarest, complete


def _curve(numbers: Counts, rarest: Counts) -> list[dict[str, Any]]:
    if not len(numbers):
        return []
    steps = np.unique(np.geomspace(1, len(numbers), STEPS).round().astype(np.int64))
    ks = np.union1d(steps, [min(PUBLISHED_SIZE, len(numbers))])
    fragments, peptides = np.cumsum(numbers), np.cumsum(rarest)
    return [
        {
            "k": k,
            "fragment_share": _share(fragments[k - 1], fragments[-1]),
            "peptide_share": _share(peptides[k - 1], peptides[-1]),
        }
        for k in ks.tolist()
    ]


def _listed(names: Sequence[str], numbers: Counts, places: Counts) -> list[dict[str, Any]]:
    total = numbers.sum()
    return [
        {"smiles": names[i], "count": int(numbers[i]), "share": _share(numbers[i], total)}
        for i in places[:LISTED].tolist()
    ]


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None
