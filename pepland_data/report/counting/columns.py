"""Labels by set, and rejects and notes by reason."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.report.counting.rows import Rows, some_rows, values_at
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.manifest_form import NOTES, REJECTS
from pepland_data.store.row_files import read_rows
from pepland_data.store.split.recorded import Split

SAMPLED = 100_000
"""Most peptides whose labels are read."""
MOST_CLASSES, MOST_LABELS, MOST_REASONS, EXAMPLES = 10, 12, 12, 3
"""What is counted or listed at most."""
BINS = 30
LOW, HIGH = 0.5, 99.5
"""Percentiles where a histogram begins and ends; values beyond are in its first and last bin."""
SHOWN = 100
"""Characters of a text in an example."""
SET_NAMES = frozenset(("train", "training", "valid", "val", "validation", "dev", "test"))
"""A column with no other values is a split, not a label."""
DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d,.]*")
"""What differs in equal reasons: quotations and numbers."""


def label_numbers(store: GraphStore, split: Split | None) -> dict[str, Any]:
    """Return the values of each column of numbers, or of few classes, by set.

    Args:
        store: an opened store.
        split: a recorded split of it; None counts all peptides as one set.
    """
    rows = some_rows(np.arange(len(store)), SAMPLED)
    sets = {"all": rows} if split is None else {n: some_of(split, n, rows) for n in split.sets}
    names = [name for name in store.manifest.columns if len(rows)]
    found = [_label(name, values_at(store, rows, name), rows, sets) for name in names]
    labels = [label for label in found if label]
    return {
        "split": split and split.name,
        "peptides": len(rows),
        "left_out": max(0, len(labels) - MOST_LABELS),
        "columns": labels[:MOST_LABELS],
    }


def some_of(split: Split, name: str, rows: Rows) -> Rows:
    """Return those of some rows that are in a set, ascending."""
    return np.intersect1d(split.rows(name), rows, assume_unique=True)


def _label(name: str, values: list[Any], rows: Rows, sets: dict[str, Rows]) -> dict[str, Any]:
    """Return the values of a column by set; {} for a column that is no label."""
    parts = {s: [values[i] for i in np.searchsorted(rows, chosen)] for s, chosen in sets.items()}
    given = [value for value in values if value is not None]
    classes = sorted(set(map(str, given)))
    if not classes or SET_NAMES.issuperset(classes):
        return {}
    if len(classes) <= MOST_CLASSES and all(isinstance(v, str | bool | int) for v in given):
        return {
            "name": name,
            "classes": classes,
            "sets": {s: _classes(part, classes) for s, part in parts.items()},
        }
    if not all(isinstance(value, int | float) for value in given):
        return {}
    finite = {s: _finite(part) for s, part in parts.items()}
    whole = _finite(given)
    if not len(whole):
        return {}
    low, high = np.percentile(whole, (LOW, HIGH)).tolist()
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return {
        "name": name,
        "edges": edges.tolist(),
        "sets": {s: _histogram(finite[s], edges, len(part)) for s, part in parts.items()},
    }


def _classes(values: list[Any], classes: list[str]) -> dict[str, Any]:
    texts = [str(value) for value in values if value is not None]
    return {
        "peptides": len(values),
        "missing": len(values) - len(texts),
        "counts": [texts.count(one) for one in classes],
    }


def _histogram(values: npt.NDArray[Any], edges: npt.NDArray[Any], peptides: int) -> dict[str, Any]:
    return {
        "peptides": peptides,
        "missing": peptides - len(values),
        "mean": float(values.mean()) if len(values) else None,
        "deviation": float(values.std()) if len(values) else None,
        "counts": np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].tolist(),
    }


def _finite(values: list[Any]) -> npt.NDArray[np.float64]:
    array = np.array([np.nan if value is None else value for value in values], np.float64)
    return array[np.isfinite(array)]


def reject_numbers(store: GraphStore) -> list[dict[str, Any]]:
    """Return stage, reason, count and examples of the most frequent rejects."""
    table = read_rows(store.path, store.manifest, REJECTS)
    return _by_reason(table, ("stage", "reason"))


def note_numbers(store: GraphStore) -> list[dict[str, Any]]:
    """Return kind, note, count and examples of the most frequent notes."""
    if not any(entry.file == NOTES for entry in store.manifest.files):
        return []
    return _by_reason(read_rows(store.path, store.manifest, NOTES), ("kind", "note"))


def _by_reason(table: Any, keys: tuple[str, str]) -> list[dict[str, Any]]:
    """Count the rows of a table by a name and a reason, whose details do not count."""
    counts: dict[tuple[str, str], int] = {}
    examples: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for batch in table.select([*keys, "row_id", "text"]).to_batches(max_chunksize=1 << 14):
        for name, reason, row_id, text in zip(*(c.to_pylist() for c in batch), strict=True):
            key = (name, DETAIL.sub("…", reason))
            counts[key] = counts.get(key, 0) + 1
            if len(known := examples.setdefault(key, [])) < EXAMPLES:
                known.append({"row_id": row_id, "text": text[:SHOWN], keys[1]: reason})
    most = sorted(counts, key=lambda key: (-counts[key], key))[:MOST_REASONS]
    return [
        {keys[0]: key[0], keys[1]: key[1], "count": counts[key], "examples": examples[key]}
        for key in most
    ]
