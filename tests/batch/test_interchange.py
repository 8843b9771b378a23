"""The dataset view, and conversion of batches to DGL and PyG graphs and back."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pepland_data import GraphDataset, GraphLoader, HeteroBatch
from pepland_data.errors import InputError
from tests.helpers.loader_checks import plain, same

needs_dgl = pytest.mark.skipif(find_spec("dgl") is None, reason="DGL is not installed")


def test_the_dataset_gives_graphs_and_batches(small_store, other_store) -> None:
    data = GraphDataset([small_store, other_store], subset=[[4, 2], [0, 1]])
    assert len(data) == 4
    assert data[1] == small_store[2]
    assert data[-1] == other_store[1]
    with pytest.raises(IndexError, match="graph 4 of 4"):
        data[4]
    n = len(small_store)
    loader = GraphLoader([small_store, other_store])
    assert same(data.__getitems__([0, 1, 3]), plain(loader, [4, 2, n + 1]))


def test_the_dataset_works_in_the_loader_of_pytorch(small_store) -> None:
    data = GraphDataset(small_store, subset=lambda columns: columns["length"] > 60)
    batches = list(DataLoader(data, batch_size=8, shuffle=True, collate_fn=data.collate))
    seen = sorted(g for b in batches for g in b.graph_index.tolist())
    assert seen == np.flatnonzero(small_store.columns["length"] > 60).tolist()


def test_single_graphs_are_collated(small_store) -> None:
    batch = GraphDataset.collate([small_store[1], small_store[5]])
    assert batch.graph(1).dense()["atom_x"].tolist() == small_store[5].dense()["atom_x"].tolist()


@needs_dgl
def test_dgl_and_pyg_graphs_contain_the_rows_of_the_store(small_store) -> None:
    batch = next(iter(GraphLoader(small_store, batch_size=3, shuffle=False)))
    dense = [small_store[i].dense() for i in range(3)]
    pytest.importorskip("torch_geometric")
    data = batch.to_pyg()
    np.testing.assert_array_equal(
        data["fragment"].x.numpy(), np.concatenate([d["fragment_x"] for d in dense])
    )
    graph = batch.to_dgl()
    assert graph.batch_size == 3
    np.testing.assert_array_equal(
        graph.nodes["a"].data["f"].numpy(), np.concatenate([d["atom_x"] for d in dense])
    )
    np.testing.assert_array_equal(
        graph.edges["r"].data["x"].numpy(), np.concatenate([d["reaction_x"] for d in dense])
    )
    assert graph.num_edges(("a", "j", "p")) == sum(len(d["atom_x"]) for d in dense)


@needs_dgl
@pytest.mark.parametrize("library", ["dgl", "pyg"])
def test_conversion_and_back_gives_an_equal_batch(small_store, library) -> None:
    if library == "pyg":
        pytest.importorskip("torch_geometric")
    batch = GraphLoader(small_store, tier="mmap").batch([3, 0, 11])
    there = getattr(batch, f"to_{library}")()
    back = getattr(HeteroBatch, f"from_{library}")(there, batch.tables)
    if library == "dgl":  # a DGL graph has no field for graph numbers
        batch = replace(batch, graph_index=torch.arange(3))
    assert same(back, batch)


def _without_codes(graph):
    for kind in ("a", "p"):
        del graph.nodes[kind].data["code"]
    for kind in ("b", "r"):
        del graph.edges[kind].data["code"]
    return graph


@needs_dgl
def test_graphs_without_codes_are_matched_with_the_tables_or_refused(small_store) -> None:
    batch = GraphLoader(small_store).batch([3, 0])
    table = batch.tables.fragment_x
    twins = len({row.tobytes() for row in table.numpy()}) < len(table)
    graph = _without_codes(batch.to_dgl())
    if twins:
        with pytest.raises(InputError, match="stands for codes"):
            HeteroBatch.from_dgl(graph, batch.tables)
    else:
        back = HeteroBatch.from_dgl(graph, batch.tables)
        assert torch.equal(back.atom_code, batch.atom_code)
        assert torch.equal(back.bond_begin, batch.bond_begin)


@needs_dgl
def test_rows_that_are_not_in_the_tables_are_refused(small_store) -> None:
    batch = GraphLoader(small_store).batch([3, 0])
    graph = _without_codes(batch.to_dgl())
    graph.nodes["a"].data["f"] = graph.nodes["a"].data["f"] + 0.5
    with pytest.raises(InputError, match="atom row 0 is not in the tables"):
        HeteroBatch.from_dgl(graph, batch.tables)


def test_codes_of_other_tables_are_refused(small_store, other_store) -> None:
    pytest.importorskip("torch_geometric")
    data = GraphLoader(small_store).batch([3, 0]).to_pyg()
    with pytest.raises(InputError, match="not those of the tables"):
        HeteroBatch.from_pyg(data, GraphLoader(other_store).tables)


def test_edges_that_are_not_pairs_are_refused(small_store) -> None:
    pytest.importorskip("torch_geometric")
    batch = GraphLoader(small_store).batch([3, 0])
    data = batch.to_pyg()
    index = data["atom", "bond", "atom"].edge_index
    data["atom", "bond", "atom"].edge_index = index[:, torch.randperm(index.shape[1])]
    with pytest.raises(InputError, match="pairs of directions"):
        HeteroBatch.from_pyg(data, batch.tables)
