"""Kind of a pass-through column: int or float if all its texts are numbers, else text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

NUMBERS = {"int": pa.int64(), "float": pa.float64()}
KINDS = (*NUMBERS, "text")
"""From the narrowest to the widest."""


def column_kind(array: Any) -> str:
    """Return ``int``, ``float`` or ``text``; ``typed`` for a column that the input gave a type."""
    if array.type != pa.large_string():
        return "typed"
    for kind, target in NUMBERS.items():
        try:
            array.cast(target)
        except pa.ArrowInvalid:
            continue
        return kind
    return "text"


def widest(kinds: Iterable[str]) -> str:
    """Return the narrowest kind that fits all; ``int`` if there are none."""
    found = set(kinds) or {"int"}
    return "typed" if "typed" in found else max(found, key=KINDS.index)


def cast(array: Any, kind: str) -> Any:
    """Return a column of texts converted to its kind."""
    return array.cast(NUMBERS[kind]) if kind in NUMBERS else array
