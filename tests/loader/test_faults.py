"""Damaged and missing shards, consumers that stop early, forks, leaks."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import psutil
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from pepland_data import GraphDataset, GraphLoader, open_store
from pepland_data.errors import StoreDamagedError
from pepland_data.loader.prefetch import ahead
from pepland_data.store.arrow_shards import write_arrow_shard
from pepland_data.store.manifest import FileEntry, write_manifest
from pepland_data.store.shard_checks import points_outside
from tests.helpers.loader_checks import plain, rows_of, same


def loader_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "pepland-loader"]


@pytest.fixture
def copied(small_store, tmp_path):
    """A copy of the store that a test may damage."""
    shutil.copytree(small_store.path, tmp_path / "store")
    return open_store(tmp_path / "store")


def shard_path(store, s: int = 0):
    return store.path / store.manifest.shards[s].file


@pytest.mark.parametrize("tier", ["mmap", "host", "device"])
def test_a_truncated_shard_is_named_with_a_remedy(copied, tier) -> None:
    path = shard_path(copied, 1)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StoreDamagedError, match=f"{path.name}.*expected.*copy the file again"):
        list(GraphLoader(copied, batch_size=4, tier=tier))


@pytest.mark.parametrize("what", ["cut", "gone", "replaced"])
def test_a_shard_that_changes_during_an_epoch_raises_an_error(copied, what) -> None:
    loader = GraphLoader(copied, batch_size=3, tier="mmap", shuffle=False)
    loader.batch([0])
    path = shard_path(copied)
    if what == "cut":
        os.truncate(path, 100)
    elif what == "gone":
        path.unlink()
    else:
        shutil.copy(path, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
    loader._source._next_check = 0.0  # the next batch checks the files again
    with pytest.raises(StoreDamagedError, match=path.name):
        list(loader)
    assert loader_threads() == []


def test_a_shard_that_is_missing_before_it_is_opened_is_named(copied) -> None:
    loader = GraphLoader(copied, batch_size=10, tier="mmap", shuffle=False)
    shard_path(copied, 1).unlink()
    with pytest.raises(StoreDamagedError, match=shard_path(copied, 1).name):
        list(loader)


def test_codes_and_indices_outside_their_range_are_found_before_use(copied) -> None:
    path = shard_path(copied)
    whole = path.read_bytes()
    columns = copied.shard_columns(0)
    for name in ("atom_code", "bond_begin", "atom_fragment", "reaction_end"):
        needle = getattr(columns, name).tobytes()
        at = whole.index(needle)
        path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
        loader = GraphLoader(open_store(copied.path), tier="mmap")
        with pytest.raises(StoreDamagedError, match=f"{path.name}.*{name}"):
            loader.batch([0])


@given(
    counts=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300)), min_size=1, max_size=6),
    dtype=st.sampled_from(["uint8", "uint16", "uint32"]),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_the_check_of_indices_agrees_with_a_plain_comparison(counts, dtype, data) -> None:
    each, rows = (np.array(side, np.int64) for side in zip(*counts, strict=True))
    near = st.sampled_from([0, 1, 254, 255, 299, 300, *np.maximum(rows - 1, 0).tolist()])
    picked = data.draw(st.lists(near, min_size=int(each.sum()), max_size=int(each.sum())))
    index = np.array(picked, np.int64).astype(dtype)
    assert points_outside(index, each, rows) == bool((index >= np.repeat(rows, each)).any())


def test_codes_of_another_dtype_are_found(copied) -> None:
    """A signed code could be negative; a wide one would be read as two codes."""
    data = copied.shard(0)
    for dtype in ("int8", "uint32"):
        dtypes = {**copied.manifest.dtypes, "atom_code": dtype}
        write_arrow_shard(shard_path(copied), data, dtypes)
        entries = list(copied.manifest.shards)
        entries[0] = FileEntry.of(copied.path, entries[0].file, entries[0].rows)
        write_manifest(copied.path, replace(copied.manifest, shards=tuple(entries)))
        with pytest.raises(StoreDamagedError, match=f"atom_code is {dtype}, expected"):
            GraphLoader(open_store(copied.path), tier="mmap").batch([0])


def test_sizes_that_differ_from_a_shard_are_found(copied) -> None:
    sizes = {k: np.array(v) for k, v in copied.sizes.items()}
    sizes["num_bonds"][3] += 1
    copied._shards.sizes = sizes
    with pytest.raises(StoreDamagedError, match="other numbers of bonds"):
        GraphLoader(copied, tier="mmap").batch([0])


def test_a_table_of_another_store_is_refused(copied, other_store) -> None:
    shutil.copy(other_store.path / "tables/atom.arrow", copied.path / "tables/atom.arrow")
    with pytest.raises(StoreDamagedError, match=r"atom\.arrow"):
        open_store(copied.path)


def test_a_disk_error_is_a_damaged_store(copied, monkeypatch) -> None:
    def fails(path: str) -> None:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(pa, "memory_map", fails)
    with pytest.raises(StoreDamagedError, match=r"Input/output error.*copy the file again"):
        list(GraphLoader(copied, tier="mmap"))
    assert loader_threads() == []


@pytest.mark.parametrize("tier", ["mmap", "host"])
def test_neither_break_nor_an_exception_of_the_consumer_leaves_a_thread(small_store, tier) -> None:
    for _ in range(5):
        for _batch in GraphLoader(small_store, batch_size=2, tier=tier):
            break
    assert loader_threads() == []

    def consume() -> None:
        for _batch in GraphLoader(small_store, batch_size=2, tier=tier):
            raise RuntimeError("an error of the consumer")

    with pytest.raises(RuntimeError):
        consume()
    assert loader_threads() == []


def test_an_error_of_the_producer_reaches_the_consumer_after_the_items_before_it() -> None:
    def items():
        yield 1
        yield 2
        raise ValueError("third")

    made = ahead(items(), 5)
    assert [next(made), next(made)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(made)


def test_no_more_items_are_made_ahead_than_requested_and_a_waiting_thread_ends() -> None:
    made = []

    def items():
        for i in range(100):
            made.append(i)
            yield i

    source = ahead(items(), 2)
    assert next(source) == 0
    time.sleep(0.1)
    assert len(made) <= 1 + 2 + 1
    source.close()
    assert loader_threads() == []


def test_two_loaders_on_one_store_do_not_disturb_each_other(small_store) -> None:
    store = open_store(small_store.path)
    pair = [GraphLoader(store, batch_size=3, seed=s, tier="mmap") for s in (1, 2)]
    alone = [rows_of(GraphLoader(store, batch_size=3, seed=s)) for s in (1, 2)]
    seen: list[list[list[int]]] = [[], []]
    for batches in zip(*pair, strict=True):
        for number, batch in enumerate(batches):
            assert same(batch, plain(pair[number], batch.graph_index.numpy()))
            seen[number].append(batch.graph_index.tolist())
    assert seen == alone


def _sum_in_child(loader, queue) -> None:
    queue.put(int(sum(batch.atom_code.sum() for batch in loader)))


def test_a_forked_child_uses_the_loader_of_its_parent(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=4, tier="mmap")
    parent = iter(loader)
    next(parent)
    loader.set_epoch(0)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_sum_in_child, args=(loader, queue))
    child.start()
    found = queue.get(timeout=60)
    child.join()
    parent.close()
    loader.set_epoch(0)
    assert found == int(sum(batch.atom_code.sum() for batch in loader))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_pytorch_read_the_dataset(small_store, method) -> None:
    data = GraphDataset(small_store, subset=np.arange(12))
    batches = DataLoader(
        data, batch_size=5, collate_fn=data.collate, num_workers=1, multiprocessing_context=method
    )
    loader = GraphLoader(small_store)
    for start, batch in zip([0, 5, 10], batches, strict=True):
        assert same(batch, plain(loader, np.arange(start, min(start + 5, 12))))


def test_a_pickled_loader_continues_the_epoch(small_store) -> None:
    loader = GraphLoader(
        small_store, 4, seed=3, tier="mmap", subset=lambda columns: columns["length"] > 50
    )
    batches = iter(loader)
    next(batches), next(batches)
    copy = pickle.loads(pickle.dumps(loader))
    assert rows_of(copy) == [batch.graph_index.tolist() for batch in batches]
    assert loader_threads() == []


def _growth(loader, epochs: int, leave_early: bool) -> int:
    """Return the bytes by which the process grew over some epochs, after a tenth of them."""
    process, start = psutil.Process(), 0
    for epoch in range(epochs):
        for batch in loader:
            assert batch.num_graphs
            if leave_early:
                break
        if epoch == epochs // 10:
            start = process.memory_info().rss
    return int(process.memory_info().rss) - start


@pytest.mark.parametrize("epochs", [200, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("leave_early", [False, True])
@pytest.mark.parametrize("tier", ["mmap", "host", "device"])
def test_many_epochs_leak_neither_threads_nor_memory(
    small_store, tier, leave_early, epochs
) -> None:
    size = 6 if leave_early else 30
    loader = GraphLoader(small_store, batch_size=size, subset=np.arange(30), tier=tier)
    files = psutil.Process().num_fds()
    assert _growth(loader, epochs, leave_early) < 8 * 2**20
    assert loader_threads() == []
    assert psutil.Process().num_fds() <= files
