"""The loader: order, tiers, resume, ranks, and interchange with other libraries."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data import GraphLoader, HeteroBatch, build, open_store
from pepland_data.builder import BuildOptions
from pepland_data.columns import GROUPS
from pepland_data.errors import InputError
from pepland_data.order import shuffled
from tests.conftest import GOLDEN

FIELDS = ["graph_index", *(f"{g}_ptr" for g in GROUPS), *(n for ns in GROUPS.values() for n in ns)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loader")
    smiles = np.load(GOLDEN / "public.npz")["smiles"]
    (folder / "in.csv").write_text("smiles\n" + "\n".join(smiles) + "\n")
    build(folder / "in.csv", folder / "store", BuildOptions(rows_per_shard=10))
    return open_store(folder / "store")


def same(one: HeteroBatch, other: HeteroBatch) -> bool:
    return all(
        getattr(one, f).dtype == getattr(other, f).dtype
        and torch.equal(getattr(one, f), getattr(other, f))
        for f in FIELDS
    )


@given(st.integers(1, 3000), st.integers(0, 2**62), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_the_order_is_a_permutation(n: int, seed: int, epoch: int) -> None:
    order = shuffled(np.arange(n), n, seed, epoch)
    assert np.array_equal(np.sort(order), np.arange(n))


def test_each_epoch_and_seed_has_its_own_order() -> None:
    orders = [tuple(shuffled(np.arange(50), 50, s, e)) for s, e in ((0, 0), (0, 1), (1, 0))]
    assert len(set(orders)) == 3


def test_all_tiers_give_the_same_bits(store) -> None:
    loaders = [GraphLoader(store, batch_size=7, seed=3, tier=t) for t in ("mmap", "host", "device")]
    for batches in zip(*loaders, strict=True):
        assert same(batches[0], batches[1])
        assert same(batches[0], batches[2])


def test_a_batch_is_the_graphs_it_names(store) -> None:
    batch = next(iter(GraphLoader(store, batch_size=5, tier="mmap")))
    for i, row in enumerate(batch.graph_index.tolist()):
        made, stored = batch.graph(i).dense(), store[row].dense()
        assert all(np.array_equal(made[name], stored[name]) for name in made)


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_ranks_share_the_global_order(store, ranks: int) -> None:
    loaders = [GraphLoader(store, batch_size=2, rank=r, world_size=ranks) for r in range(ranks)]
    assert len({len(loader) for loader in loaders}) == 1
    seen = [b.graph_index.tolist() for loader in loaders for b in loader]
    assert sorted(row for rows in seen for row in rows) == list(range(len(store)))
    width = 2 * ranks
    whole = shuffled(np.arange(len(store)), len(store), 0, 0)
    first = [loader.graphs_at(0) for loader in [*_fresh(store, ranks)]]
    assert sorted(np.concatenate(first)) == sorted(whole[:width])


def _fresh(store, ranks: int):
    return (GraphLoader(store, batch_size=2, rank=r, world_size=ranks) for r in range(ranks))


def test_resume_in_mid_epoch_goes_on_with_the_next_graphs_on_any_number_of_ranks(store) -> None:
    first = GraphLoader(store, batch_size=4, seed=5)
    taken = iter(first)
    seen = [next(taken).graph_index.tolist() for _ in range(2)]
    state = first.state_dict()
    rest: list[int] = []
    for rank in range(2):
        loader = GraphLoader(store, batch_size=3, seed=0, rank=rank, world_size=2)
        loader.load_state_dict(state)
        rest += [row for batch in loader for row in batch.graph_index.tolist()]
    assert sorted([*seen[0], *seen[1], *rest]) == list(range(len(store)))


def test_breaking_off_an_epoch_leaves_no_thread(store) -> None:
    before = threading.active_count()
    for _ in range(3):
        for _batch in GraphLoader(store, batch_size=2, tier="mmap"):
            break
    import gc

    gc.collect()
    assert threading.active_count() == before


def test_a_subset_and_a_dropped_last_batch(store) -> None:
    loader = GraphLoader(store, batch_size=4, subset=[1, 3, 5, 7, 9], drop_last=True)
    (batch,) = list(loader)
    assert set(batch.graph_index.tolist()) <= {1, 3, 5, 7, 9}
    with pytest.raises(InputError, match="outside"):
        GraphLoader(store, subset=[len(store)])


def test_bad_options_are_refused(store) -> None:
    with pytest.raises(InputError, match="tier"):
        GraphLoader(store, tier="disk")
    with pytest.raises(InputError, match="batch_size"):
        GraphLoader(store, batch_size=0)


def test_auto_says_why(store) -> None:
    loader = GraphLoader(store)
    assert loader.tier in loader.tier_reason


def test_dgl_and_pyg_hold_the_same_rows(store) -> None:
    batch = next(iter(GraphLoader(store, batch_size=3, shuffle=False)))
    graph = batch.to_dgl()
    dense = [store[i].dense() for i in range(3)]
    assert graph.batch_size == 3
    np.testing.assert_array_equal(
        graph.nodes["a"].data["f"].numpy(), np.concatenate([d["atom_x"] for d in dense])
    )
    np.testing.assert_array_equal(
        graph.edges["r"].data["x"].numpy(), np.concatenate([d["reaction_x"] for d in dense])
    )
    assert graph.num_edges(("a", "j", "p")) == sum(len(d["atom_x"]) for d in dense)
    pytest.importorskip("torch_geometric")
    data = batch.to_pyg()
    np.testing.assert_array_equal(
        data["fragment"].x.numpy(), np.concatenate([d["fragment_x"] for d in dense])
    )


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_device_tier_equals_the_cpu_without_a_synchronisation(store) -> None:
    loader = GraphLoader(store, batch_size=5, device="cuda", tier="device")
    plain = GraphLoader(store, batch_size=5, tier="mmap")
    for made, expected in zip(loader, plain, strict=True):
        assert same(made.to("cpu"), expected)
