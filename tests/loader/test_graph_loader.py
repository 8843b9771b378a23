"""The loader: bit-identical batches on three tiers, subsets, mixtures, and bad options."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from pepland_data import GraphLoader
from pepland_data.batch.byte_layout import arrays, host_batch, outline_of
from pepland_data.errors import InputError
from pepland_data.graph.columns import GROUPS
from pepland_data.loader.tiers.device import make_runs
from pepland_data.loader.tiers.mmap import MmapSource
from pepland_data.loader.tiers.shard_offsets import ShardOffsets
from pepland_data.loader.tiers.source import write_batch
from pepland_data.loader.upload import Uploader
from tests.helpers.loader_checks import plain, rows_of, same

TIERS = ("mmap", "host", "device")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_batches_of_all_tiers_are_bit_identical_to_the_plain_path(small_store) -> None:
    loaders = [GraphLoader(small_store, batch_size=7, seed=3, tier=t) for t in TIERS]
    for batches in zip(*loaders, strict=True):
        expected = plain(loaders[0], batches[0].graph_index.numpy())
        assert all(same(batch, expected) for batch in batches)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_graphs_can_be_requested_in_any_order_and_repeatedly(
    small_store, other_store, data
) -> None:
    stores = [small_store, other_store]
    total = len(small_store) + len(other_store)
    graphs = data.draw(st.lists(st.integers(0, total - 1), max_size=12))
    for tier in TIERS:
        loader = GraphLoader(stores, tier=tier)
        assert same(loader.batch(graphs), plain(loader, graphs))


def test_a_batch_of_one_or_two_stores_holds_the_stored_graphs(small_store, other_store) -> None:
    graphs = [*small_store, *other_store]
    for stores in ([small_store], [small_store, other_store]):
        batch = next(iter(GraphLoader(stores, batch_size=len(graphs), tier="mmap")))
        for i, row in enumerate(batch.graph_index.tolist()):
            made, stored = batch.graph(i).dense(), graphs[row].dense()
            assert all(np.array_equal(made[name], stored[name]) for name in made)


def test_a_mixture_has_the_given_shares(small_store, other_store) -> None:
    stores, n = [small_store, other_store], len(small_store)
    loader = GraphLoader(stores, batch_size=4, weights=(1, 3), seed=1)
    numbers = np.concatenate(rows_of(loader))
    assert len(numbers) == loader.num_graphs == n + len(other_store)
    assert (numbers < n).sum() == round((n + len(other_store)) / 4)
    counts = np.bincount(numbers[numbers >= n] - n, minlength=len(other_store))
    assert counts.max() - counts.min() <= 1
    assert counts.min() >= 1


def test_the_extra_draws_of_a_share_change_with_the_epoch(small_store, other_store) -> None:
    loader = GraphLoader([small_store, other_store], weights=(1, 3))
    first, second = np.sort(rows_of(loader)[0]), np.sort(rows_of(loader)[0])
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("kind", ["rows", "bools", "function", "function of rows"])
def test_a_subset_is_rows_bools_or_a_function_of_the_columns(small_store, kind) -> None:
    keep = small_store.columns["length"] > 80
    subset = {
        "rows": np.flatnonzero(keep),
        "bools": keep,
        "function": lambda columns: columns["length"] > 80,
        "function of rows": lambda columns: np.flatnonzero(columns["length"] > 80),
    }[kind]
    loader = GraphLoader(small_store, batch_size=3, subset=subset)
    assert sorted(np.concatenate(rows_of(loader))) == np.flatnonzero(keep).tolist()
    assert 0 < loader.num_graphs < len(small_store)


def test_drop_last_leaves_out_the_last_batch(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=4, subset=[1, 3, 5, 7, 9], drop_last=True)
    assert len(loader) == 1
    (batch,) = list(loader)
    assert set(batch.graph_index.tolist()) <= {1, 3, 5, 7, 9}


def test_an_empty_subset_gives_no_batch_and_a_batch_may_hold_no_graphs(small_store) -> None:
    for tier in TIERS:
        loader = GraphLoader(small_store, tier=tier, subset=np.zeros(0, np.int64))
        assert (len(loader), list(loader)) == (0, [])
        batch = GraphLoader(small_store, tier=tier).batch([])
        assert (batch.num_graphs, len(batch.atom_code), batch.atom_ptr.tolist()) == (0, 0, [0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tier": "disk"}, "tier 'disk'.*expected one of"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"rank": 2, "world_size": 2}, "rank 2 of 2"),
        ({"shuffle": "blocks"}, "shuffle=True, False or 'block'"),
        ({"subset": [10**6]}, "outside 0\\.\\."),
        ({"subset": [True, False]}, "bools for a store of"),
        ({"subset": [0.5]}, "expected row numbers or bools"),
        ({"weights": (1, 2)}, "one positive number for each"),
        ({"weights": (0.0,)}, "one positive number for each"),
        ({"max_atoms": 0}, "expected 1 and 2 or more"),
        ({"max_atoms": 5}, "more than max_atoms 5; raise max_atoms to"),
        ({"max_edges": 4}, "more than max_edges 4; raise max_edges to"),
        ({"reserve": 1.5}, "reserve is 1.5"),
    ],
)
def test_bad_options_are_refused_with_a_remedy(small_store, options, message) -> None:
    with pytest.raises(InputError, match=message):
        GraphLoader(small_store, **options)


def test_bad_stores_and_graph_numbers_are_refused(small_store) -> None:
    with pytest.raises(InputError, match="no store"):
        GraphLoader([])
    with pytest.raises(InputError, match="1 subsets for 2 stores"):
        GraphLoader([small_store, small_store], subset=[None])
    with pytest.raises(IndexError, match="outside"):
        GraphLoader(small_store).batch([-1])


def test_uploaded_batches_are_bit_identical_while_blocks_are_reused(small_store) -> None:
    """The ring of the uploader on a CPU: the steps of the CUDA path without streams."""
    loader = GraphLoader(small_store, tier="mmap")
    uploader, source, made = Uploader(loader.tables, 2), MmapSource(loader.corpus), []
    for start in range(0, 30, 5):
        parts = outline_of(
            np.arange(start, start + 5), loader.corpus.sizes(np.arange(start, start + 5))
        )
        made.append(uploader.upload(parts.shape, lambda out, p=parts: write_batch(out, p, source)))
    for start, there in zip(range(0, 30, 5), made, strict=True):
        assert same(there.received(), plain(loader, np.arange(start, start + 5)))


def test_two_threads_do_not_write_into_one_block_during_a_copy(small_store) -> None:
    shape = outline_of(np.zeros(0, np.int64), {}).shape
    uploader = Uploader(GraphLoader(small_store).tables, 1)
    made = {}

    def send(number: int) -> None:
        def write(out) -> None:
            out["atom_ptr"][:] = number
            time.sleep(0.05)

        made[number] = uploader.upload(shape, write)

    senders = [threading.Thread(target=send, args=(n,)) for n in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert [made[n].received().atom_ptr.tolist() for n in range(3)] == [[0], [1], [2]]


def test_a_single_batch_does_not_change_a_running_iteration(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=2, static_shapes=True, tier="mmap")
    expected = {len(batch.atom_code) for batch in loader}
    assert len(expected) == 1
    for _ in range(20):
        for batch in loader:
            assert {len(batch.atom_code)} == expected
            single = loader.batch([1])
            assert len(single.atom_code) == small_store.num_atoms[1]


def test_a_batch_is_one_block_and_counts_its_bytes(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=4, tier="host")
    batch = next(iter(loader))
    assert batch.nbytes == sum(
        getattr(batch, name).numel() * getattr(batch, name).element_size()
        for name in vars(batch)
        if name != "tables"
    )
    block = np.zeros(10**5, np.uint8)
    parts = outline_of(np.arange(2), loader.corpus.sizes(np.arange(2)))
    out = arrays(block, parts.shape)
    write_batch(out, parts, MmapSource(loader.corpus))
    assert same(host_batch(out, loader.tables), plain(loader, [0, 1]))
    assert all(np.shares_memory(array, block) for array in out.values() if len(array))


@pytest.mark.parametrize("rows_per_shard", [1, 7, 8, 10, 100])
def test_graphs_begin_at_the_pointers_of_their_shard(small_store, rows_per_shard) -> None:
    """Compare offsets from the sizes with the pointers, for shards of any length."""

    class Resharded:
        sizes = small_store.sizes
        shard_ptr = np.append(np.arange(0, len(small_store), rows_per_shard), len(small_store))

        def __len__(self) -> int:
            return len(small_store)

    rows = np.random.default_rng(0).permutation(len(small_store))
    shard = rows // rows_per_shard
    found = ShardOffsets(Resharded())(rows, shard)
    for group in GROUPS:
        ends = np.concatenate([[0], np.cumsum(small_store.sizes[f"num_{group}s"])])
        assert np.array_equal(found[group], ends[rows] - ends[Resharded.shard_ptr[shard]])


class OperationCounter(TorchDispatchMode):
    """Counts operations that would run on a device, without views."""

    VIEWS = ("detach", "unbind", "split", "slice", "view", "empty")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not any(view in str(func) for view in self.VIEWS)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_columns_on_a_device_keep_the_largest_values(dtype) -> None:
    largest = min(int(np.iinfo(dtype).max), 2**31 - 8)
    names = ("bond_begin", "bond_end")
    flat = {n: np.array([k, 3, largest - k], dtype) for k, n in enumerate(names)}
    (run,) = make_runs(flat, torch.device("cpu"))
    out = torch.zeros(5, dtype=torch.int32)
    shifts = torch.tensor([0, 5, 0, 5, 7], dtype=torch.int32)
    run.write(out, torch.tensor([3, 1, 6, 4, 0]), shifts)
    assert (run.names, flat) == (names, {})
    assert out.tolist() == [largest, 5, largest - 1, 6, 7]


@pytest.mark.parametrize("graphs", [1, 7, 30])
def test_a_batch_of_the_device_tier_is_a_dozen_operations(small_store, graphs) -> None:
    loader = GraphLoader(small_store, tier="device")
    loader.batch([0])  # creates what is kept between batches
    with OperationCounter() as counter:
        loader.batch(range(graphs))
    assert counter.count <= 13


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("tier", TIERS)
def test_batches_on_a_gpu_are_bit_identical_and_need_no_synchronisation(small_store, tier) -> None:
    loader = GraphLoader(small_store, batch_size=5, device="cuda", tier=tier)
    expected = list(GraphLoader(small_store, batch_size=5, tier="mmap"))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        made = list(loader)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(same(m.to("cpu"), e) for m, e in zip(made, expected, strict=True))
