"""The loaders of the benchmark return all graphs that they are timed on."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest
import torch

from benchmarks.loaders.catalog import LOADERS
from benchmarks.loaders.measure_one import drop_cached, private_bytes, timed
from benchmarks.loaders.records import RecordReader, records_of
from pepland_data import GraphLoader, HeteroBatch
from pepland_data.batch.arrays import BatchTables
from tests.helpers.loader_checks import plain, same


@pytest.mark.parametrize("name", LOADERS)
def test_every_loader_returns_every_graph_in_batches(small_store, tmp_path, name) -> None:
    loader = LOADERS[name]
    if loader.missing:
        pytest.skip(loader.missing)
    loader.load_packages()
    batch_size = next(b for b in (5, 4, 3, 7) if len(small_store) % b == 0)
    (tmp_path / "files").mkdir()
    loader.prepare(small_store, tmp_path / "files", len(small_store))
    epochs = loader.open(small_store, tmp_path / "files", len(small_store), batch_size)
    for epoch in range(2):
        batches = list(epochs(epoch))
        assert {count for count, _ in batches} == {batch_size}
        assert sum(count for count, _ in batches) == len(small_store)
        assert sum(atoms for _, atoms in batches) == small_store.num_atoms.sum()


def test_a_batch_of_records_is_the_batch_of_our_loader(small_store) -> None:
    taken = list(records_of(small_store, 3, 9))
    reader = RecordReader(small_store.manifest.dtypes, BatchTables.from_tables(small_store.tables))
    batch = reader.batch([taken[5], taken[0]], [8, 3])
    assert isinstance(batch, HeteroBatch)
    assert same(batch, plain(GraphLoader(small_store), [8, 3]))


def test_a_long_epoch_is_cut_short() -> None:
    found = timed(iter([(2, 10), (2, 20), (2, 30)]), 0.0)
    assert (found["graphs"], found["atoms"]) == (2, 5)


def test_private_memory_counts_written_and_not_mapped_memory(small_store) -> None:
    size, library = 2**25, max((Path(torch.__file__).parent / "lib").iterdir(), key=os.path.getsize)
    before = private_bytes()
    with library.open("rb") as file, mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as mapped:
        assert any(mapped[:: mmap.PAGESIZE])
        assert private_bytes() - before < 0.5 * size
        with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as written:
            for start in range(0, size, mmap.PAGESIZE):
                written[start] = 1
            assert 0.9 * size < private_bytes() - before < 1.5 * size
    drop_cached([small_store.path])
    assert len(list(GraphLoader(small_store, tier="mmap")))


def test_pyg_graphs_hold_the_arrays_of_our_loader(small_store) -> None:
    batches = pytest.importorskip("torch_geometric.data").Batch
    from benchmarks.loaders.graphs import pyg_graphs

    ours = GraphLoader(small_store).batch(range(6))
    theirs = batches.from_data_list(list(pyg_graphs(small_store, 6)), ["fragment_code"])
    for name in ("atom_code", "atom_fragment", "fragment_code", "fragment_residue", "bond_code"):
        assert torch.equal(theirs[name].int(), getattr(ours, name))
    for name in ("bond", "reaction"):
        ends = torch.stack([getattr(ours, f"{name}_begin"), getattr(ours, f"{name}_end")])
        assert torch.equal(theirs[f"{name}_index"].int(), ends)
    assert torch.equal(theirs.ptr, ours.atom_ptr)
    assert torch.equal(theirs.fragment_code_ptr, ours.fragment_ptr)
