"""Records: the same graphs as a plain gather of columns, for any sizes and dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data.graph.columns import GROUPS, GraphColumns
from pepland_data.loader.tiers.records import RecordLayout, Records

NAMES = [name for names in GROUPS.values() for name in names]


def random_columns(sizes: dict[str, list[int]], dtypes: dict[str, str], seed: int) -> GraphColumns:
    """Return columns of graphs of given sizes that use the whole range of their dtypes."""
    draw = np.random.default_rng(seed)
    ptr = {f"{g}_ptr": np.concatenate([[0], np.cumsum(sizes[g])]).astype(np.int64) for g in GROUPS}
    flat = {
        name: draw.integers(0, np.iinfo(dtypes[name]).max, sum(sizes[g]), dtypes[name], True)
        for g, names in GROUPS.items()
        for name in names
    }
    return GraphColumns(**ptr, **flat)


@st.composite
def filled(draw) -> tuple[Records, GraphColumns]:
    """Return records appended in two parts, and the same graphs as columns."""
    count = draw(st.integers(0, 7))
    lengths = st.lists(st.integers(0, 20), min_size=count, max_size=count)
    sizes = {group: draw(lengths) for group in GROUPS}
    dtypes = {name: draw(st.sampled_from(["uint8", "uint16", "uint32"])) for name in NAMES}
    columns = random_columns(sizes, dtypes, draw(st.integers(0, 99)))
    records = Records(RecordLayout(dtypes), {g: np.array(n, np.uint32) for g, n in sizes.items()})
    cut = draw(st.integers(0, count))
    for first, last in ((0, cut), (cut, count)):
        records.append(columns.slice(first, last))
    return records, columns


@given(filled(), st.data())
@settings(max_examples=150, deadline=None)
def test_taken_records_are_the_columns_of_the_graphs(made, data) -> None:
    records, columns = made
    count = len(columns)
    graphs = data.draw(st.lists(st.integers(0, count - 1), max_size=9)) if count else []
    expected = columns.take(graphs)
    sizes = {group: expected.sizes(group) for group in GROUPS}
    found = records.take(np.array(graphs, np.int64), sizes)
    for name in NAMES:
        assert found[name].dtype == getattr(columns, name).dtype
        assert np.array_equal(found[name], getattr(expected, name))


@given(filled())
@settings(max_examples=50, deadline=None)
def test_a_graph_number_outside_the_records_is_refused(made) -> None:
    records, columns = made
    for outside in (-1, len(columns)):
        with pytest.raises(IndexError):
            records.take(np.array([outside]), {group: np.zeros(1, np.int64) for group in GROUPS})


def test_memory_is_the_columns_and_one_pointer_per_graph() -> None:
    dtypes = dict.fromkeys(NAMES, "uint8") | {"bond_begin": "uint16"}
    sizes = {"atom": [9, 3], "fragment": [2, 1], "bond": [8, 2], "reaction": [1, 0]}
    records = Records(RecordLayout(dtypes), {g: np.array(n) for g, n in sizes.items()})
    rows = sum(sum(sizes[group]) * len(names) for group, names in GROUPS.items())
    assert records.nbytes == rows + sum(sizes["bond"]) + 8 * 3
