"""docs/format.md is sufficient to read a store, and common tools read it too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pepland_data import GraphStore, open_store
from pepland_data.graph.columns import GROUPS
from tests.helpers.format_reader import read_graphs


@pytest.fixture(scope="module")
def stores(formats: dict[str, Path]) -> dict[str, GraphStore]:
    return {kind: open_store(path) for kind, path in formats.items()}


@pytest.fixture
def arrow(stores: dict[str, GraphStore]) -> GraphStore:
    return stores["arrow"]


def shards_of(store: GraphStore) -> list[str]:
    return [str(store.path / entry.file) for entry in store.manifest.shards]


def atoms_per_graph(store: GraphStore) -> dict[int, list[int]]:
    rows = store.row_id.tolist()
    return {row: store[i].columns.atom_code.tolist() for i, row in enumerate(rows)}


@pytest.mark.parametrize("kind", ["arrow", "zarr"])
def test_a_reader_written_from_the_page_reads_every_number(stores, kind) -> None:
    store = stores[kind]
    graphs = read_graphs(store.path)
    assert len(graphs) == len(store)
    names = [name for group in GROUPS.values() for name in group]
    for row, found in enumerate(graphs):
        graph = store[row]
        dense = graph.dense()
        assert (found["row_id"], found["smiles"]) == (store.row_id[row], graph.smiles)
        for name in names:
            assert found[name].tolist() == getattr(graph.columns, name).tolist(), name
        for name in ("atom_x", "fragment_x", "bond_x", "bond_index"):
            np.testing.assert_array_equal(found[name], dense[name])
    for name in store.columns:
        expected = [
            v for s in range(store.num_shards) for v in store.shard_array(s, name).to_pylist()
        ]
        assert [graph["columns"][name] for graph in graphs] == expected, name


def test_pyarrow_reads_the_shards(arrow: GraphStore) -> None:
    tables = [pa.ipc.open_file(pa.memory_map(path)).read_all() for path in shards_of(arrow)]
    table = pa.concat_tables(tables)
    assert table["smiles"].to_pylist() == list(arrow.smiles)
    codes = [[atom["atom_code"] for atom in atoms] for atoms in table["atoms"].to_pylist()]
    assert dict(zip(table["row_id"].to_pylist(), codes, strict=True)) == atoms_per_graph(arrow)


def test_a_pyarrow_dataset_filters_the_shards(arrow: GraphStore) -> None:
    dataset = pytest.importorskip("pyarrow.dataset")
    found = dataset.dataset(shards_of(arrow), format="ipc")
    table = found.to_table(columns=["row_id"], filter=dataset.field("whole") > 10)
    assert table["row_id"].to_pylist() == [r for r in arrow.row_id.tolist() if r - 9 > 10]


def test_duckdb_counts_the_atoms(arrow: GraphStore) -> None:
    duckdb = pytest.importorskip("duckdb")
    shards = pa.concat_tables([pa.ipc.open_file(p).read_all() for p in shards_of(arrow)])
    connection = duckdb.connect()
    connection.register("shards", shards)
    query = (
        "select atom.atom_code as code, count(*) as n "
        "from (select unnest(atoms) as atom from shards) group by code order by code"
    )
    found = dict(connection.execute(query).fetchall())
    codes = np.concatenate([g.columns.atom_code for g in arrow])
    assert found == {int(c): int((codes == c).sum()) for c in np.unique(codes)}


def test_polars_reads_the_lists_of_structs(arrow: GraphStore) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.concat([polars.read_ipc(path) for path in shards_of(arrow)])
    assert frame["atoms"].list.len().to_list() == arrow.num_atoms.tolist()
    codes = frame.select("row_id", polars.col("atoms").list.eval(
        polars.element().struct.field("atom_code")
    ))  # fmt: skip
    assert dict(codes.iter_rows()) == atoms_per_graph(arrow)
    assert frame["affinity"].null_count() == sum(r % 7 == 3 for r in arrow.row_id.tolist())


def test_hugging_face_datasets_reads_a_shard(arrow: GraphStore, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(
        "arrow", data_files=shards_of(arrow), split="train", cache_dir=str(tmp_path)
    )
    assert found["smiles"][:] == list(arrow.smiles)
    assert len(found) == len(arrow)
    row = found[3]
    codes = [atom["atom_code"] for atom in row["atoms"]]
    assert codes == atoms_per_graph(arrow)[row["row_id"]]


def test_xarray_opens_the_zarr_store(stores: dict[str, GraphStore]) -> None:
    xarray = pytest.importorskip("xarray")
    store, arrow = stores["zarr"], stores["arrow"]
    found = xarray.open_zarr(store.path / "graphs.zarr", consolidated=False)
    assert found.sizes["graph"] == len(arrow)
    assert found.num_atoms.values.tolist() == arrow.num_atoms.tolist()
    graphs = np.split(found.atom_code.values, np.cumsum(found.num_atoms.values)[:-1])
    rows = found.row_id.values.tolist()
    assert {r: g.tolist() for r, g in zip(rows, graphs, strict=True)} == atoms_per_graph(arrow)
    dense = found.atom_x.isel(atom_row=found.atom_code.load()).values
    np.testing.assert_array_equal(dense, np.concatenate([g.dense()["atom_x"] for g in arrow]))
    column = xarray.open_zarr(store.path / "graphs.zarr/columns/whole", consolidated=False)
    assert (column["values"].values + 9).tolist() == rows
    assert column.attrs["name"] == "whole"


def test_the_zarr_package_reads_every_array(stores: dict[str, GraphStore]) -> None:
    import zarr

    store = stores["zarr"]
    group = zarr.open_group(store.path / "graphs.zarr", mode="r", zarr_format=3)
    for name in (name for group in GROUPS.values() for name in group):
        expected = np.concatenate([getattr(g.columns, name) for g in stores["arrow"]])
        assert group[name].dtype == store.manifest.dtypes[name]
        np.testing.assert_array_equal(group[name][:], expected)
