"""The loaders of the benchmark give the graphs they are timed on, all of them."""

from __future__ import annotations

import mmap

import pytest
import torch

from benchmarks.loaders.one import drop_cached, private_bytes, timed
from benchmarks.loaders.records import RecordReader, records
from benchmarks.loaders.rivals import RIVALS
from pepland_data import GraphLoader, HeteroBatch
from pepland_data.batch.arrays import BatchTables
from tests.helpers.loader_checks import plain, same


@pytest.mark.parametrize("name", RIVALS)
def test_every_loader_gives_every_graph_in_batches(small_store, tmp_path, name) -> None:
    rival = RIVALS[name]
    if rival.missing:
        pytest.skip(rival.missing)
    rival.load_packages()
    batch_size = next(b for b in (5, 4, 3, 7) if len(small_store) % b == 0)
    (tmp_path / "files").mkdir()
    rival.prepare(small_store, tmp_path / "files", len(small_store))
    epochs = rival.open(small_store, tmp_path / "files", len(small_store), batch_size)
    for epoch in range(2):
        batches = list(epochs(epoch))
        assert {count for count, _ in batches} == {batch_size}
        assert sum(count for count, _ in batches) == len(small_store)
        assert sum(atoms for _, atoms in batches) == small_store.num_atoms.sum()


def test_records_become_the_batch_that_our_loader_gives(small_store) -> None:
    taken = list(records(small_store, 3, 9))
    reader = RecordReader(small_store.manifest.dtypes, BatchTables.from_tables(small_store.tables))
    batch = reader.batch([taken[5], taken[0]], [8, 3])
    assert isinstance(batch, HeteroBatch)
    assert same(batch, plain(GraphLoader(small_store), [8, 3]))


def test_an_epoch_that_takes_long_is_broken_off() -> None:
    found = timed(iter([(2, 10), (2, 20), (2, 30)]), 0.0)
    assert (found["graphs"], found["atoms"]) == (2, 5)


def test_private_memory_counts_what_is_written_and_not_what_is_mapped(small_store) -> None:
    before = private_bytes()
    with mmap.mmap(-1, 2**24, flags=mmap.MAP_PRIVATE) as held:  # pages that no allocator kept
        held.write(b"x" * 2**24)
        grown = private_bytes() - before
    assert 0.9 * 2**24 < grown < 1.5 * 2**24
    drop_cached([small_store.path])
    assert len(list(GraphLoader(small_store, tier="mmap")))


def test_pyg_carries_the_arrays_that_our_loader_gives(small_store) -> None:
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
