"""The order of training batches: the same for any ranks, resumable, mixed by weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data.columns import GraphColumns
from pepland_model.gather_loader import GatherLoader, epoch_counts
from pepland_model.run_data import row_hash, split_rows
from tests.pretrain_data import golden_columns


class MemoryStore:
    """What the loader asks of a store."""

    def __init__(self) -> None:
        self.columns, tables = golden_columns()
        self.tables = tables.host

    def __len__(self) -> int:
        return len(self.columns)

    def gather(self, rows) -> GraphColumns:
        return self.columns.take(rows)


def loader(rank=0, world=1, batch=4, weights=(), stores=1, rows=range(30), **options):
    store = MemoryStore()
    chosen = [np.array(rows)] * stores
    return GatherLoader([store] * stores, chosen, batch, weights, True, 3, rank, world, **options)


def graphs(batches) -> list[list[int]]:
    return [sorted(b.graph_index.tolist()) for b in batches]


@settings(max_examples=20, deadline=None)
@given(world=st.sampled_from([2, 3, 6]), epoch=st.integers(0, 5))
def test_ranks_share_the_global_batches_of_one_process(world, epoch) -> None:
    alone = loader(batch=12)
    ranks = [loader(r, world, 12 // world) for r in range(world)]
    for one in (alone, *ranks):
        one.set_epoch(epoch)
    together = [
        sorted(i for part in parts for i in part) for parts in zip(*map(graphs, ranks), strict=True)
    ]
    assert together == graphs(alone)


def test_every_graph_comes_once_an_epoch_in_another_order_each_time() -> None:
    ours = loader()
    first = [i for b in ours for i in b.graph_index.tolist()]
    ours.set_epoch(1)
    second = [i for b in ours for i in b.graph_index.tolist()]
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second


@pytest.mark.parametrize("world", [1, 2, 4])
def test_an_epoch_goes_on_with_any_number_of_ranks(world) -> None:
    begun = loader(batch=8)
    iterator = iter(begun)
    next(iterator)
    rest = graphs(iterator)
    begun.set_epoch(0)
    next(iter(begun))
    state = begun.state_dict()
    ranks = [loader(r, world, 8 // world) for r in range(world)]
    for one in ranks:
        one.load_state_dict(state)
    assert [
        sorted(i for part in p for i in part) for p in zip(*map(graphs, ranks), strict=True)
    ] == rest


def test_a_batch_holds_the_graphs_it_names() -> None:
    batch = next(iter(loader()))
    columns, _ = golden_columns()
    plain = columns.take(batch.graph_index.numpy())
    assert torch.equal(batch.atom_ptr, torch.from_numpy(plain.atom_ptr))
    assert batch.atom_code.tolist() == plain.atom_code.tolist()


def test_a_mixture_has_the_shares_it_was_given_and_tells_its_stores_apart() -> None:
    mixed = loader(stores=2, weights=(0.75, 0.25))
    numbers = np.concatenate([b.graph_index.numpy() for b in mixed])
    assert len(numbers) == 60
    assert (numbers < 36).sum() == 45
    assert set(numbers[numbers < 36]) == set(range(30))


def test_epoch_counts_add_up() -> None:
    assert epoch_counts([10, 20], ()) == [10, 20]
    assert epoch_counts([10, 20], (1, 2)) == [10, 20]
    assert sum(epoch_counts([7, 11, 13], (0.2, 0.3, 0.5))) == 31


def test_the_validation_split_is_the_same_each_time_and_stays_when_a_store_grows() -> None:
    train, valid = split_rows(1000, 0.1, 0)
    assert sorted([*train, *valid]) == list(range(1000))
    assert 60 < len(valid) < 140
    assert set(valid) <= set(split_rows(2000, 0.1, 0)[1])
    assert set(split_rows(1000, 0.1, 1)[1]) != set(valid)
    assert len(set(row_hash(np.arange(1000), 0).tolist())) == 1000


@pytest.mark.parametrize(("rows", "fraction", "held"), [(1, 0.5, 0), (9, 0.0, 0), (9, 1e-9, 1)])
def test_small_splits_keep_something_on_each_side(rows, fraction, held) -> None:
    train, valid = split_rows(rows, fraction, 0)
    assert (len(train), len(valid)) == (rows - held, held)
