"""Directed edges: sorted by destination, each knowing its way back."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from pepland_data import GraphLoader
from pepland_model.network.edges import directed_edges


@given(st.integers(1, 12), st.data())
def test_edges_are_the_bonds_both_ways_sorted_by_destination(nodes, data) -> None:
    node = st.integers(0, nodes - 1)
    bonds = data.draw(st.lists(st.tuples(node, node, st.integers(0, 4)), max_size=20))
    begin, end, code = torch.tensor(bonds, dtype=torch.int32).reshape(-1, 3).T
    edges = directed_edges(begin, end, code, nodes)
    found = zip(edges.src.tolist(), edges.dst.tolist(), edges.code.tolist(), strict=True)
    wanted = [(b, e, c) for b, e, c in bonds] + [(e, b, c) for b, e, c in bonds]
    assert sorted(found) == sorted(wanted)
    assert (edges.dst.diff() >= 0).all()
    assert torch.equal(edges.src[edges.reverse], edges.dst)
    assert torch.equal(edges.code[edges.reverse], edges.code)
    assert torch.equal(edges.reverse[edges.reverse], torch.arange(len(edges.src)))
    assert torch.equal(edges.in_degree(), torch.bincount(edges.dst, minlength=nodes))
    assert (edges.reverse != torch.arange(len(edges.src))).all()


def test_edges_of_a_batch_stay_inside_their_graphs(small_store) -> None:
    batch = GraphLoader(small_store, batch_size=6).batch([4, 0, 9])
    edges = directed_edges(batch.bond_begin, batch.bond_end, batch.bond_code, len(batch.atom_code))
    graph = [torch.searchsorted(batch.atom_ptr, e, right=True) for e in (edges.src, edges.dst)]
    assert torch.equal(*graph)
