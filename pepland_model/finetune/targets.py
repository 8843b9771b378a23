"""What is predicted: columns of the stores as numbers, or as classes."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
from pepland_data.store.graph_store import GraphStore

Values = npt.NDArray[Any]
MAX_CLASSES = 100
LARGEST = 1e15
"""Largest target; its square still fits into float32."""


def target_names(stores: Sequence[GraphStore], text: str, kind: str) -> tuple[str, ...]:
    """Return the columns that ``--target`` names.

    Args:
        stores: all stores of the run.
        text: a column; for a regression also several, comma-separated, where ``*`` stands for any
            letters in the names of columns of numbers.
        kind: ``regression`` or ``classification``.

    Raises:
        InputError: no store has such a column.
    """
    columns = {name: values for store in stores for name, values in store.columns.items()}
    if text in columns or kind == "classification":
        return (text,)
    numbers = [name for name, values in columns.items() if values.dtype.kind in "fiub"]
    found: dict[str, None] = {}
    for part in map(str.strip, text.split(",")):
        matching = [name for name in numbers if "*" in part and fnmatchcase(name, part)]
        if not matching and part not in columns:
            raise InputError(_no_column(stores[0], part))
        found |= dict.fromkeys(matching or [part])
    return tuple(found)


def _no_column(store: GraphStore, name: str) -> str:
    columns = ", ".join(store.columns) or "none"
    return (
        f"{store.path} has no column {name!r} to predict; it has {columns}; build the store "
        "from a file with that column"
    )


def read_targets(
    stores: Sequence[GraphStore], names: Sequence[str], kind: str
) -> tuple[Values, tuple[str, ...]]:
    """Return the targets of all peptides, and the names of the classes.

    Args:
        stores: all stores of the run.
        names: the columns. Of several, a store may lack some.
        kind: ``regression`` or ``classification``.

    Returns:
        [G, T] float32, NaN if missing, and no classes; or [G] int64 class, -1 if missing.
    """
    columns = {name: [_column(store, name, len(names)) for store in stores] for name in names}
    if kind == "classification":
        return classes_of(columns[names[0]], names[0])
    numbers = [
        np.concatenate([numbers_of(v, name) for v in found]) for name, found in columns.items()
    ]
    return np.stack(numbers, 1), ()


def _column(store: GraphStore, name: str, targets: int) -> Values:
    """Return a column of a store; all values are missing if it lacks one of several."""
    if name in store.columns:
        return store.columns[name]
    if targets == 1:
        raise InputError(_no_column(store, name))
    return np.full(len(store), np.nan)


def classes_of(columns: Sequence[Values], name: str) -> tuple[Values, tuple[str, ...]]:
    """Return the class of each row, -1 for a missing value, and the names of the classes.

    Args:
        columns: one per store; numbers, or texts with None for a missing value.
        name: name of the column.
    """
    labels = [label for column in columns for label in _labels(column)]
    classes = tuple(sorted({label for label in labels if label}, key=_numerically))
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise InputError(
            f"column {name!r} has {len(classes)} different values; classification needs 2 to "
            f"{MAX_CLASSES}, so choose another --target or --task regression"
        )
    number = {label: i for i, label in enumerate(classes)}
    return np.array([number.get(label, -1) for label in labels], np.int64), classes


def numbers_of(column: Values, name: str) -> Values:
    """Return the values of a column as float32, NaN for what is missing or infinite."""
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"column {name!r} has values that are not numbers ({error}); regression needs numbers, "
            "so choose another --target or --task classification"
        ) from error
    values[~np.isfinite(values)] = np.nan
    if (largest := np.nanmax(np.abs(values), initial=0.0)) > LARGEST:
        raise InputError(
            f"column {name!r} has a value of {largest:g}; regression needs numbers up to "
            f"{LARGEST:g}, so use the logarithm or another unit"
        )
    return np.asarray(values, np.float32)


def _labels(column: Values) -> list[str]:
    """Return values as texts, '' for a missing value; 1.0 becomes '1'."""
    if column.dtype.kind == "f":
        return ["" if np.isnan(v) else str(int(v)) if v == int(v) else str(v) for v in column]
    return ["" if value is None else str(value) for value in column.tolist()]


def _numerically(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label
