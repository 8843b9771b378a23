"""Directed edges by kernels, against those of a sort. On a CPU the interpreter runs them."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_model.network.edges import Edges, directed_edges, view_edges
from pepland_model.network.kernels import devices as kernels
from tests.helpers.model_batches import batch_of, static_batch

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def by_kernels(begin, end, code, nodes, real):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "DEVICES", {DEVICE})
        return directed_edges(begin, end, code, nodes, torch.tensor(real, device=DEVICE))


def check(bonds, nodes, padding=0):
    """Compare the edges of bonds, and of bonds with padding from the last node to itself."""
    bonds = [*bonds, *([(nodes - 1, nodes - 1, 0)] * padding)]
    columns = torch.tensor(bonds, dtype=torch.int32, device=DEVICE).reshape(-1, 3).T
    begin, end, code = (column.contiguous() for column in columns)
    expected = directed_edges(begin, end, code, nodes)
    assert_equal(by_kernels(begin, end, code, nodes, len(bonds) - padding), expected)


def assert_equal(actual, expected):
    for field in fields(Edges):
        here, there = getattr(actual, field.name), getattr(expected, field.name)
        assert here.dtype == there.dtype, field.name
        assert torch.equal(here, there), field.name


@given(st.integers(1, 12), st.integers(0, 9), st.data())
@settings(max_examples=25, deadline=None)
def test_edges_are_those_of_a_sort(nodes, padding, data) -> None:
    node = st.integers(0, nodes - 1)
    bonds = data.draw(st.lists(st.tuples(node, node, st.integers(0, 4)), max_size=20))
    check(bonds, nodes, padding)


@pytest.mark.parametrize("padding", [0, 1, 700])
def test_a_node_of_many_edges_is_sorted(padding) -> None:
    check([(i % 7, 3, i % 5) for i in range(400)], 9, padding)


def test_padding_may_share_its_node_with_real_bonds() -> None:
    check([(4, 0, 1), (1, 4, 2), (4, 4, 3), (2, 4, 1)], 5, padding=300)
    check([(i % 5, 4, 1) for i in range(300)], 5, padding=300)


def test_there_may_be_no_bonds() -> None:
    for nodes, padding in ((0, 0), (3, 0), (3, 2), (1, 1)):
        check([], nodes, padding)


def test_edges_of_a_batch_are_those_of_a_sort() -> None:
    for batch in (batch_of([5, 13, 0]), static_batch([4, 0, 9]), batch_of([7])):
        batch = batch.to(DEVICE)
        for prefix, nodes in (("bond", len(batch.atom_code)), ("reaction", len(batch))):
            nodes = len(batch.fragment_code) if prefix == "reaction" else nodes
            ends = (getattr(batch, f"{prefix}_{name}") for name in ("begin", "end", "code"))
            expected = directed_edges(*ends, nodes)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(kernels, "DEVICES", {DEVICE})
                assert_equal(view_edges(batch, prefix, nodes), expected)
