"""Directed edges: sorted by destination, each with its reverse edge."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from pepland_model.network.edges import directed_edges, view_edges
from tests.helpers.model_batches import batch_of


@given(st.integers(1, 12), st.data())
def test_edges_are_the_bonds_both_ways_sorted_by_destination(nodes, data) -> None:
    node = st.integers(0, nodes - 1)
    bonds = data.draw(st.lists(st.tuples(node, node, st.integers(0, 4)), max_size=20))
    begin, end, code = torch.tensor(bonds, dtype=torch.int32).reshape(-1, 3).T
    edges = directed_edges(begin, end, code, nodes)
    actual = zip(edges.src.tolist(), edges.dst.tolist(), edges.code.tolist(), strict=True)
    expected = [(b, e, c) for b, e, c in bonds] + [(e, b, c) for b, e, c in bonds]
    assert sorted(actual) == sorted(expected)
    assert (edges.dst.diff() >= 0).all()
    assert torch.equal(edges.src[edges.reverse], edges.dst)
    assert torch.equal(edges.code[edges.reverse], edges.code)
    assert torch.equal(edges.reverse[edges.reverse], torch.arange(len(edges.src)))
    assert torch.equal(edges.in_degree(), torch.bincount(edges.dst, minlength=nodes))
    assert (edges.reverse != torch.arange(len(edges.src))).all()


def test_edges_of_a_batch_stay_inside_their_graphs() -> None:
    batch = batch_of([5, 13, 0, 20])
    edges = view_edges(batch, "bond", len(batch.atom_code))
    graph = [torch.searchsorted(batch.atom_ptr, e, right=True) for e in (edges.src, edges.dst)]
    assert torch.equal(*graph)
