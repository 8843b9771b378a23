"""What a pass-through column of texts could be: numbers where all of it is, else text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

NUMBERS = {"int": pa.int64(), "float": pa.float64()}
KINDS = (*NUMBERS, "text")
"""From the narrowest to the widest."""


def column_kind(array: Any) -> str:
    """Return ``int``, ``float`` or ``text``; ``typed`` for what is no text in the first place."""
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
    """Return the kind that fits all; none at all fit an ``int``."""
    found = set(kinds) or {"int"}
    return "typed" if "typed" in found else max(found, key=KINDS.index)


def cast(array: Any, kind: str) -> Any:
    """Return a column of texts as its kind."""
    return array.cast(NUMBERS[kind]) if kind in NUMBERS else array
