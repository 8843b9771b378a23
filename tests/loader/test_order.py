"""The order: a bijection, equal for any number of ranks, resumable at any step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data import GraphLoader
from pepland_data.errors import InputError
from pepland_data.loader.order.budget import Budget
from pepland_data.loader.order.epoch_order import EpochOrder, epoch_counts
from pepland_data.loader.order.permutation import block_shuffled, shuffled
from pepland_data.loader.order.rank_batches import RankBatches
from tests.helpers.loader_checks import rows_of

RANKS = st.sampled_from([1, 2, 3, 8])
SHUFFLES = st.sampled_from([True, False, "block"])


class SizesOnly:
    """A corpus without columns: it knows only the sizes of its graphs."""

    def __init__(self, n: int) -> None:
        self.atoms = np.random.default_rng(n).integers(1, 40, n)

    def sizes(self, graphs):
        return {"atom": self.atoms[graphs], "bond": self.atoms[graphs] - 1}

    def group_by_store(self, graphs):
        return graphs


def batching(n, shuffle, seed, batch, rank, world, budget=None, drop_last=False) -> RankBatches:
    order = EpochOrder((n,), (None,), (n,), shuffle, seed)
    return RankBatches(SizesOnly(n), order, batch, rank, world, drop_last, budget)


def step_rows(world, position, n, shuffle, seed, batch, budget, epoch=2):
    """Yield the graphs of all ranks and the position after each step."""
    ranks = [
        list(batching(n, shuffle, seed, batch, r, world, budget).steps(epoch, position))
        for r in range(world)
    ]
    assert len({len(steps) for steps in ranks}) == 1
    for steps in zip(*ranks, strict=True):
        assert len({after for _, after in steps}) == 1
        yield [graphs.tolist() for graphs, _ in steps], steps[0][1]


@given(st.integers(1, 3000), st.integers(0, 2**62), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_the_global_shuffle_is_a_permutation(n: int, seed: int, epoch: int) -> None:
    order = shuffled(np.arange(n), n, seed, epoch)
    assert np.array_equal(np.sort(order), np.arange(n))


@given(st.integers(1, 700), st.integers(0, 2**62), st.integers(1, 70), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_the_block_shuffle_is_a_permutation(n: int, seed: int, block: int, window: int) -> None:
    order = block_shuffled(np.arange(n), n, seed, 1, block, window)
    assert np.array_equal(np.sort(order), np.arange(n))


@given(st.integers(0, 1000), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_a_window_of_the_block_shuffle_touches_few_blocks(seed: int, window: int) -> None:
    order = block_shuffled(np.arange(window * 64, window * 64 + 64), 1000, seed, 0, 16, 4)
    assert len(np.unique(order // 16)) <= 4
    assert not np.array_equal(order, np.sort(order))


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_place_of_the_order_does_not_depend_on_the_other_places(data) -> None:
    n = data.draw(st.integers(1, 5000))
    order = EpochOrder((n,), (None,), (n,), data.draw(SHUFFLES), 7)
    whole = order.at(np.arange(n), 3)
    places = data.draw(st.lists(st.integers(0, n - 1), max_size=20))
    assert order.at(np.array(places, np.int64), 3).tolist() == whole[places].tolist()


def test_each_epoch_and_seed_has_its_own_order() -> None:
    orders = [tuple(shuffled(np.arange(50), 50, s, e)) for s, e in ((0, 0), (0, 1), (1, 0))]
    assert len(set(orders)) == 3


def test_places_are_drawn_evenly() -> None:
    """The place of row 0 over 1,600 seeds: each sixteenth holds 100, within five deviations."""
    places = [int(np.flatnonzero(shuffled(np.arange(64), 64, s, 0) == 0)[0]) for s in range(1600)]
    counts = np.bincount(np.array(places) // 4, minlength=16)
    assert abs(counts - 100).max() < 5 * np.sqrt(100 * 15 / 16)


@given(n=st.integers(0, 300), shuffle=SHUFFLES, batch=st.integers(1, 40), world=RANKS,
       budgeted=st.booleans())  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_any_number_of_ranks_takes_the_same_global_order(
    n, shuffle, batch, world, budgeted
) -> None:
    budget = Budget(batch, {"atom": 60, "bond": 50}) if budgeted else None
    whole = EpochOrder((n,), (None,), (n,), shuffle, 5).at(np.arange(n), 2).tolist()
    done = 0
    for ranks, after in step_rows(world, 0, n, shuffle, 5, batch, budget):
        taken = sorted(g for graphs in ranks for g in graphs)
        assert taken == sorted(whole[done : min(after, n)])
        done = after
    assert done >= n


@given(n=st.integers(1, 300), shuffle=SHUFFLES, batch=st.integers(1, 40), before=RANKS,
       after=RANKS, steps=st.integers(0, 6), budgeted=st.booleans())  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_a_resumed_epoch_has_the_same_global_order_on_another_number_of_ranks(
    n, shuffle, batch, before, after, steps, budgeted
) -> None:
    budget = Budget(batch, {"atom": 60}) if budgeted else None
    whole = EpochOrder((n,), (None,), (n,), shuffle, 5).at(np.arange(n), 2).tolist()
    begun = list(step_rows(before, 0, n, shuffle, 5, batch, budget))[:steps]
    position = begun[-1][1] if begun else 0
    done = position
    for ranks, end in step_rows(after, position, n, shuffle, 5, batch, budget):
        assert sorted(g for r in ranks for g in r) == sorted(whole[done : min(end, n)])
        done = end
    assert done >= n


@given(n=st.integers(1, 300), batch=st.integers(1, 20), world=RANKS, budgeted=st.booleans())
@settings(max_examples=40, deadline=None)
def test_without_the_last_step_every_rank_has_full_batches(n, batch, world, budgeted) -> None:
    budget = Budget(batch, {"atom": 60}) if budgeted else None
    for rank in range(world):
        whole = list(batching(n, True, 1, batch, rank, world, budget).steps(0, 0))
        kept = batching(n, True, 1, batch, rank, world, budget, drop_last=True)
        steps = list(kept.steps(0, 0))
        assert kept.count(0) == len(steps) <= len(whole)
        assert all(len(graphs) for graphs, _ in steps)
        assert budgeted or all(len(graphs) == batch for graphs, _ in steps)


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_loaders_on_any_number_of_ranks_see_every_graph_once(small_store, world) -> None:
    loaders = [
        GraphLoader(small_store, batch_size=2, rank=r, world_size=world) for r in range(world)
    ]
    lengths = {len(loader) for loader in loaders}
    seen = [rows_of(loader) for loader in loaders]
    assert {len(batches) for batches in seen} == lengths
    flat = [g for batches in seen for batch in batches for g in batch]
    assert sorted(flat) == list(range(len(small_store)))


@pytest.mark.parametrize("world", [1, 2, 3, 8])
@pytest.mark.parametrize("tier", ["mmap", "host"])
def test_an_interrupted_loader_resumes_on_any_number_of_ranks(small_store, world, tier) -> None:
    first = GraphLoader(small_store, batch_size=4, seed=5, tier=tier)
    batches = iter(first)
    seen = [g for _ in range(2) for g in next(batches).graph_index.tolist()]
    state = first.state_dict()
    batches.close()
    rest = []
    for rank in range(world):
        loader = GraphLoader(small_store, batch_size=3, seed=0, rank=rank, world_size=world)
        loader.load_state_dict(state)
        rest += [g for batch in rows_of(loader) for g in batch]
    assert sorted([*seen, *rest]) == list(range(len(small_store)))


def test_the_next_iteration_is_the_next_epoch_and_set_epoch_returns_to_an_earlier_one(
    small_store,
) -> None:
    loader = GraphLoader(small_store, batch_size=7)
    first, second = rows_of(loader), rows_of(loader)
    loader.set_epoch(0)
    assert first != second
    assert rows_of(loader) == first


def test_a_state_of_another_corpus_is_refused(small_store) -> None:
    state = GraphLoader(small_store, subset=[1, 2, 3]).state_dict()
    with pytest.raises(InputError, match="epoch of 3 graphs, this loader has"):
        GraphLoader(small_store).load_state_dict(state)


def test_epoch_counts_add_up() -> None:
    assert epoch_counts([10, 20], ()) == [10, 20]
    assert epoch_counts([10, 20], (1, 2)) == [10, 20]
    assert sum(epoch_counts([7, 11, 13], (0.2, 0.3, 0.5))) == 31
    with pytest.raises(InputError, match="cannot have a weight"):
        epoch_counts([7, 0], (1, 1))
