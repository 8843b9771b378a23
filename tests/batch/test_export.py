"""Exported files are read by their tools and contain the same graphs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pepland_data import open_store
from pepland_data.batch.export import export
from pepland_data.errors import BuildError
from tests.helpers.commands import cli
from tests.helpers.stores import built_store


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_store(tmp_path_factory.mktemp("export"), "store", range(16))


def test_parquet_files_contain_the_codes_of_every_graph(source: Path, tmp_path: Path) -> None:
    done = cli("export", str(source), "--to", "parquet", "--out", str(tmp_path / "pq"), "--json")
    store = open_store(source)
    assert json.loads(done.stdout)["graphs"] == len(store)
    table = pq.read_table(tmp_path / "pq/graphs")
    assert table["smiles"].to_pylist() == list(store.smiles)
    for row, atoms in enumerate(table["atoms"].to_pylist()):
        assert [a["atom_code"] for a in atoms] == store[row].columns.atom_code.tolist()
    with pytest.raises(BuildError):
        export(store, "parquet", tmp_path / "pq")


def test_dgl_reads_the_exported_files(source: Path, tmp_path: Path) -> None:
    dgl = pytest.importorskip("pepland_data.batch.dgl_import").import_dgl()
    store = open_store(source)
    export(store, "dgl", tmp_path / "dgl")
    graphs, labels = [], []
    for path in sorted((tmp_path / "dgl").iterdir()):
        found, label = dgl.load_graphs(str(path))
        graphs += found
        labels += label["row_id"].tolist()
    assert labels == store.row_id.tolist()
    for graph, ours in zip(graphs, store, strict=True):
        np.testing.assert_array_equal(graph.nodes["a"].data["f"].numpy(), ours.dense()["atom_x"])


def test_pyg_reads_the_exported_files(source: Path, tmp_path: Path) -> None:
    geometric = pytest.importorskip("torch_geometric.data")
    store = open_store(source)
    report = export(store, "pyg", tmp_path / "pyg")
    assert report.times_store > 1
    row = 0
    for path in sorted((tmp_path / "pyg").iterdir()):
        dataset = geometric.InMemoryDataset()
        dataset.load(str(path), geometric.HeteroData)
        for data in dataset:
            dense = store[row].dense()
            assert data.row_id.item() == store.row_id[row]
            np.testing.assert_array_equal(data["atom"].x.numpy(), dense["atom_x"])
            edges = data["atom", "bond", "atom"].edge_index.numpy()
            np.testing.assert_array_equal(edges, dense["bond_index"])
            row += 1
    assert row == len(store)
