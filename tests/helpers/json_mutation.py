"""JSON documents that a forger could write: real ones with some values replaced."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from pepland_data.errors import PeplandError

NESTED: Any = 0
for _ in range(300):
    NESTED = [NESTED]
NAMES = [
    "", ".", "..", "/etc/passwd", "../evil/x.arrow", "a\\b", "a\0b", "manifest.json", "sizes.arrow",
    "splits/x.json", ".build/plan.json", "tables", "x" * 300, "\ud800", "line\nbreak", "column_x",
    "arrow", "zarr", "uint8", "float64", "object", "U8", "0" * 64, "row_id", "shards/000000.arrow",
    "graphs.zarr/atom_code/c/0",
]  # fmt: skip
"""Texts that mean something to a reader of a store."""
NUMBERS = [-1, 0, 1, 2, 2**31, 2**63, -(2**63), 10**30, 0.5, 1e300, -0.0, True, False, None]
VALUES = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NUMBERS),
    st.sampled_from([[], {}, [[]], {"a": {}}, NESTED]),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=4,
    ),
)


@st.composite
def mutated(draw: Any, document: Any, most: int = 2) -> Any:
    """Return a document with values replaced, deleted, doubled, added, or under another name."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        parent, key = _place(draw, changed)
        if key is not None:
            _change(draw, parent, key)
    return changed


def _place(draw: Any, value: Any) -> tuple[Any, Any]:
    """Return a container inside a document, and one of its keys; None if it is empty."""
    parent, key = value, None
    while isinstance(value, dict | list) and value:
        parent = value
        key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        value = parent[key]
        if draw(st.booleans()):
            break
    return parent, key


def _change(draw: Any, parent: Any, key: Any) -> None:
    change = draw(st.sampled_from(["replace", "replace", "replace", "delete", "more", "rename"]))
    value = copy.deepcopy(draw(VALUES))
    if change == "replace":
        parent[key] = value
    elif isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key])) if change == "more" else parent.pop(key)
    elif change == "more":
        parent[draw(st.sampled_from(NAMES))] = value
    else:
        old = parent.pop(key)
        if change == "rename":
            parent[draw(st.sampled_from(NAMES))] = old


def said(action: Callable[[], object]) -> str:
    """Return the sentence of an expected error, '' if there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            action()
    except PeplandError as error:
        return str(error)
    return ""
