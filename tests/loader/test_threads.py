"""Several threads make batches: same order, same bits, errors in place, none left behind."""

from __future__ import annotations

import pickle
import shutil
import threading
import time

import numpy as np
import pytest

from pepland_data import GraphLoader, open_store
from pepland_data.batch.byte_layout import outline_of
from pepland_data.errors import StoreDamagedError
from pepland_data.loader import graph_loader, prefetch
from pepland_data.loader.prefetch import mapped_ahead, spare_threads
from pepland_data.loader.tiers.host import HostSource
from pepland_data.loader.tiers.host_buffers import HostBuffers
from pepland_data.loader.tiers.source import write_batch
from pepland_data.loader.upload import Uploader
from tests.helpers.loader_checks import plain, rows_of, same

TIERS = ("mmap", "host", "device")


@pytest.fixture
def four_threads(monkeypatch) -> None:
    monkeypatch.setattr(graph_loader, "spare_threads", lambda: 4)


def loader_threads() -> int:
    return sum(thread.name == "pepland-loader" for thread in threading.enumerate())


def slowly(item: int) -> int:
    """Return ten times the item; every third takes longer than the next two."""
    time.sleep(0.005 if item % 3 == 0 else 0.001)
    return 10 * item


def test_results_have_the_order_of_the_items_and_are_made_at_the_same_time() -> None:
    together, most, lock = [0], [0], threading.Lock()

    def make(item: int) -> int:
        with lock:
            together[0] += 1
            most[0] = max(most[0], together[0])
        made = slowly(item)
        with lock:
            together[0] -= 1
        return made

    assert list(mapped_ahead(make, iter(range(60)), 6, 4)) == [10 * i for i in range(60)]
    assert most[0] > 1
    assert loader_threads() == 0


def test_one_thread_at_a_time_draws_and_no_more_than_there_is_room_for() -> None:
    drawing, drawn = threading.Lock(), []

    def items():
        for item in range(50):
            assert drawing.acquire(blocking=False)
            time.sleep(0.001)
            drawn.append(item)
            drawing.release()
            yield item

    made = mapped_ahead(slowly, items(), 5, 4)
    assert next(made) == 0
    time.sleep(0.1)
    assert len(drawn) == 1 + 5
    assert list(made) == [10 * i for i in range(1, 50)]


@pytest.mark.parametrize("where", ["items", "make"])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_error_in_the_middle_comes_after_the_results_before_it(where, threads) -> None:
    def items():
        for item in range(100):
            if where == "items" and item == 9:
                raise ValueError("the tenth")
            yield item

    def make(item: int) -> int:
        if where == "make" and item == 9:
            raise ValueError("the tenth")
        return slowly(item)

    seen = []
    with pytest.raises(ValueError, match="the tenth"):
        seen.extend(mapped_ahead(make, items(), 6, threads))
    made = mapped_ahead(make, items(), 6, threads)
    assert [next(made) for _ in range(9)] == [10 * i for i in range(9)]
    made.close()
    assert loader_threads() == 0


def test_threads_end_with_the_items_although_no_result_is_requested() -> None:
    made = mapped_ahead(slowly, iter(range(3)), 8, 4)
    assert next(made) == 0
    for _ in range(100):
        if not loader_threads():
            break
        time.sleep(0.02)
    assert loader_threads() == 0
    assert list(made) == [10, 20]


def test_leaving_early_ends_all_threads_while_they_wait_and_while_they_work() -> None:
    for pause in (0.0, 0.05):
        for _ in range(20 if not pause else 2):
            made = mapped_ahead(slowly, iter(range(1000)), 6, 4)
            assert next(made) == 0
            time.sleep(pause)
            made.close()
            assert loader_threads() == 0


def test_one_core_is_left_to_the_consumer(monkeypatch) -> None:
    for cores, threads in ((1, 1), (2, 1), (3, 2), (5, 4), (16, 4)):
        monkeypatch.setattr(
            prefetch.os, "sched_getaffinity", lambda _, n=cores: set(range(n)), raising=False
        )
        assert spare_threads() == threads


def test_batches_of_four_threads_are_those_of_one(small_store, other_store, four_threads) -> None:
    stores = [open_store(store.path) for store in (small_store, other_store)]  # no shard is open
    for tier in TIERS:
        for options in ({}, {"static_shapes": True}, {"max_atoms": 1000}):
            loader = GraphLoader(stores, batch_size=3, seed=4, tier=tier, **options)
            for _ in range(3):
                batches = list(loader)
                seen = [g for b in batches for g in b.graph_index.tolist() if g >= 0]
                assert sorted(seen) == list(range(loader.num_graphs))
                assert "static_shapes" in options or all(
                    same(b, plain(loader, b.graph_index.numpy())) for b in batches
                )
            loader.set_epoch(2)
            assert all(same(*pair) for pair in zip(loader, batches, strict=True))
    assert loader_threads() == 0


@pytest.mark.parametrize("tier", TIERS)
def test_two_iterations_of_one_loader_at_once(small_store, four_threads, tier) -> None:
    loader = GraphLoader(small_store, batch_size=2, tier=tier)
    expected = list(GraphLoader(small_store, batch_size=2, tier="mmap"))
    first, second = iter(loader), iter(loader)
    for one, other, batch in zip(first, second, expected, strict=True):
        assert same(one, batch)
        assert same(other, batch)
    first.close(), second.close()
    assert loader_threads() == 0


@pytest.mark.parametrize("tier", TIERS)
def test_an_epoch_that_was_left_is_resumed_also_by_a_copy(small_store, four_threads, tier) -> None:
    expected = rows_of(GraphLoader(small_store, batch_size=2, seed=8))
    loader = GraphLoader(small_store, batch_size=2, seed=8, tier=tier)
    for step, _ in enumerate(loader):
        if step == 4:
            state, copy = loader.state_dict(), pickle.loads(pickle.dumps(loader))
            break
    assert loader_threads() == 0
    loader.load_state_dict(state)
    assert rows_of(loader) == rows_of(copy) == expected[5:]


def test_a_damaged_shard_is_named_after_the_batches_before_it(
    small_store, tmp_path, four_threads
) -> None:
    shutil.copytree(small_store.path, tmp_path / "store")
    store = open_store(tmp_path / "store")
    loader = GraphLoader(store, batch_size=1, tier="mmap", shuffle=False)
    (store.path / store.manifest.shards[1].file).unlink()
    seen: list[int] = []
    with pytest.raises(StoreDamagedError):
        seen.extend(int(batch.graph_index) for batch in loader)
    assert seen == list(range(store.manifest.shards[0].rows))
    assert loader_threads() == 0


def test_blocks_of_host_memory_are_not_given_to_two_threads() -> None:
    blocks, wrong = HostBuffers(6), []

    def use(number: int) -> None:
        for _ in range(300):
            block = blocks.take(500)
            block[:] = number
            time.sleep(0)
            if not (block == number).all():
                wrong.append(number)

    users = [threading.Thread(target=use, args=(n,)) for n in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert wrong == []


def test_uploads_of_four_threads_share_a_ring_of_blocks(small_store) -> None:
    loader = GraphLoader(small_store, tier="host")
    source, uploader = HostSource(loader.corpus), Uploader(loader.tables, 3)

    def make(first: int):
        graphs = np.arange(first, first + 4)
        outline = outline_of(graphs, loader.corpus.sizes(graphs))
        return uploader.upload(outline.shape, lambda out: write_batch(out, outline, source))

    made = mapped_ahead(make, iter(range(24)), 24, 4)
    for first, sent in enumerate(list(made)):
        assert same(sent.received(), plain(loader, np.arange(first, first + 4)))


def test_a_block_of_the_ring_is_free_again_after_an_error(small_store) -> None:
    uploader = Uploader(GraphLoader(small_store).tables, 1)
    shape = outline_of(np.zeros(0, np.int64), {}).shape

    def fails(_) -> None:
        raise ValueError("not written")

    for _ in range(3):
        with pytest.raises(ValueError, match="not written"):
            uploader.upload(shape, fails)
    uploader.upload(shape, lambda out: out["atom_ptr"].fill(0))


def test_an_order_that_was_begun_ahead_is_used_for_its_own_epoch_only(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=4, seed=1)
    epochs = [rows_of(loader) for _ in range(3)]
    assert len({str(epoch) for epoch in epochs}) == 3
    loader.set_epoch(1)
    assert [rows_of(loader), rows_of(loader)] == epochs[1:]
    loader.set_epoch(1)
    next(iter(loader))
    loader.load_state_dict({**loader.state_dict(), "seed": 2, "epoch": 2, "position": 0})
    other = GraphLoader(small_store, batch_size=4, seed=2)
    other.set_epoch(2)
    assert rows_of(loader) == rows_of(other) != epochs[2]
    assert rows_of(loader) == rows_of(other)
