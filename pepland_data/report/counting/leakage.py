"""What the sets of a split share with its training set."""

from __future__ import annotations

from typing import Any

import numpy as np

from pepland_data.report.counting.rows import Rows, some_rows, values_at
from pepland_data.report.counting.similarity import near_duplicates, nearest
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.recorded import Split

TRAIN = "train"
COMPARED, TRAINING, SEARCHED = 1_000, 20_000, 200_000
"""Most peptides of a set, and of the training set for similarities and for near duplicates."""
BINS = 20
"""Bins of a histogram of similarities, which is 0 to 1."""
EXAMPLES = 6


def leakage_numbers(store: GraphStore, split: Split) -> dict[str, Any]:
    """Compare each set of a split with its training set: ``train``, else the largest one.

    Returns:
        sizes, and for each other set the histogram of the similarities of its peptides to the
        nearest one in training (see `similarity.nearest`), and how many are nearly in it.
    """
    counts = split.counts()
    train = TRAIN if counts.get(TRAIN) else max(counts, key=lambda name: counts[name])
    base = split.rows(train)
    others = [name for name in counts if name != train and counts[name]]
    return {
        "name": split.name,
        "method": split.method,
        "recipe": dict(split.recipe),
        "sets": counts,
        "train": train,
        "sets_compared": [_compared(store, split, name, base) for name in others if len(base)],
    }


def _compared(store: GraphStore, split: Split, name: str, base: Rows) -> dict[str, Any]:
    rows = some_rows(split.rows(name), COMPARED)
    training, searched = some_rows(base, TRAINING), some_rows(base, SEARCHED)
    best = nearest(store, rows, training)
    near, same = near_duplicates(store, rows, searched)
    edges = np.linspace(0, 1, BINS + 1)
    return {
        "set": name,
        "peptides": len(rows),
        "training_peptides": len(training),
        "median_similarity": float(np.median(best)),
        "edges": edges.tolist(),
        "counts": np.histogram(best, edges)[0].tolist(),
        "searched": len(searched),
        "near_duplicates": int((near >= 0).sum()),
        "duplicates": int((same >= 0).sum()),
        "near_share": float((near >= 0).mean()),
        "examples": _examples(store, rows, near),
    }


def _examples(store: GraphStore, rows: Rows, near: Rows) -> list[dict[str, Any]]:
    """Return the texts of some near duplicates, each with its partner in training."""
    chosen = np.flatnonzero(near >= 0)[:EXAMPLES]
    texts = values_at(store, rows[chosen])
    partners = [store.smiles[row] for row in near[chosen].tolist()]
    ids = zip(store.row_id[rows[chosen]].tolist(), store.row_id[near[chosen]].tolist(), strict=True)
    return [
        {"row_id": one, "text": text, "train_row_id": other, "train_text": partner}
        for (one, other), text, partner in zip(ids, texts, partners, strict=True)
    ]
