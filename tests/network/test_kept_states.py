"""States kept from batch to batch: the same results, noticed changes, threads, interruption."""

from __future__ import annotations

import io
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data.graph.columns import GROUPS
from pepland_model import PharmHGT
from pepland_model.network.plain_pharmhgt import PlainPharmHGT
from pepland_model.network.states import kept_states
from pepland_model.network.states.kept_states import MAX_ROWS, GrowingRows
from pepland_model.network.view import ATOMS
from tests.helpers.model_batches import MOLECULES, STATES, batch_of, padded, small_model

FIRST, SECOND = [10, 11, 12], [13, 14, 3]


def pair(output: str = "homo") -> tuple[PharmHGT, PharmHGT]:
    """Two equal models, of which the second keeps nothing."""
    return small_model(output).eval(), small_model(output, keep_states=False).eval()


def rows_kept(net: PharmHGT) -> dict[str, int]:
    return {name: kept.rows for name, (kept, _) in net.cache._views.items()}


def random_rows(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(MOLECULES) for _ in range(count)]


BATCHES = st.lists(st.lists(st.integers(0, MOLECULES - 1), min_size=1, max_size=8), min_size=1,
                   max_size=4)  # fmt: skip


@given(BATCHES, st.sampled_from(["homo", "checkpoint", "fused"]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_states_kept_across_batches_equal_the_plain_network(batches, output, padding) -> None:
    plain, fast = small_model(output, PlainPharmHGT).eval(), small_model(output).eval()
    with torch.no_grad():
        for rows in batches:
            batch = batch_of(rows)
            expected = plain(batch)
            out = fast(padded(batch, dict.fromkeys(GROUPS, 9), 1) if padding else batch)
            for name in STATES[: 2 if output == "homo" else 4]:
                value = getattr(expected, name)
                actual = getattr(out, name)[: len(value)]
                assert (actual - value).abs().max() <= 1e-5 * max(1, float(value.abs().max()))


@pytest.mark.parametrize("limit", [30, MAX_ROWS])
@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
def test_chosen_rows_of_both_views_equal_those_without_kept_states(
    monkeypatch, output, limit
) -> None:
    monkeypatch.setattr(kept_states, "MAX_ROWS", limit)
    keeping, other = pair(output)
    rng = random.Random(1)
    for turn in range(8):
        batch = batch_of(random_rows(rng, 5))
        rows = torch.tensor([1, 0]) if turn % 2 else None
        none = torch.empty(0, dtype=torch.int64)
        for chosen in ((rows, rows), (none, rows), (rows, none)):
            with torch.no_grad():
                actual, expected = keeping(batch, *chosen), other(batch, *chosen)
            for name in ("atom_embedding", "fragment_embedding"):
                one, two = getattr(actual, name), getattr(expected, name)
                assert one.shape == two.shape
                assert torch.allclose(one, two, atol=1e-6)


def test_a_batch_seen_before_adds_no_states() -> None:
    net = small_model().eval()
    with torch.no_grad():
        net(batch_of(FIRST))
        before = rows_kept(net)
        net(batch_of(FIRST[::-1]))
    assert before.keys() == {"atom", "fragment"}
    assert min(before.values()) > 0
    assert rows_kept(net) == before


def test_rows_reserve_at_most_half_of_their_memory_again() -> None:
    rows = GrowingRows(torch.zeros(0, 2))
    for step in range(200):
        held = rows.add(torch.full((7, 2), float(step)))
        assert held.untyped_storage().nbytes() <= max(7, 1.5 * len(rows)) * 2 * 4
    assert torch.equal(held[::7, 0], torch.arange(200.0))
    assert MAX_ROWS * 300 * 4 == 480_000_000


@pytest.mark.parametrize("way", ["data", "in place", "optimizer", "load", "another tensor"])
def test_every_way_of_changing_a_weight_is_noticed(way: str) -> None:
    batch = batch_of(list(range(12)))
    nets = pair()
    with torch.no_grad():
        nets[0](batch)
    for net in nets:
        weight = net.mp.attn["aba"].linears[3].weight
        if way == "data":
            weight.data.mul_(-1.5)
        elif way == "in place":
            with torch.no_grad():
                weight.mul_(-1.5)
        elif way == "optimizer":
            weight.grad = torch.ones_like(weight)
            torch.optim.SGD([weight], lr=0.1).step()
        elif way == "load":
            net.load_state_dict({k: v * 1.5 for k, v in net.state_dict().items()})
        else:
            net.mp.attn["aba"].linears[3].weight = torch.nn.Parameter(weight.detach() * 1.5)
    with torch.no_grad():
        actual, expected = (net(batch).atom for net in nets)
    assert torch.allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    ["w_pharm.weight", "w_reac.bias", "mp.mp_list.prp.1.weight", "mp.attn.prp.linears.2.weight",
     "mp.node_last_layer.p.bias"],
)  # fmt: skip
def test_a_change_of_any_weight_of_the_fragment_view_is_noticed(name) -> None:
    batch = batch_of(FIRST)
    nets = pair()
    with torch.no_grad():
        nets[0](batch)
        for net in nets:
            net.get_parameter(name).data.add_(0.5)
        actual, expected = (net(batch).fragment for net in nets)
    assert torch.allclose(actual, expected, atol=1e-5)


def test_a_table_with_more_rows_keeps_the_states_and_another_table_does_not() -> None:
    fast = small_model().eval()
    batch = batch_of([3, 10, 11])
    host = batch.tables
    longer = replace(host, atom_x=torch.cat([host.atom_x, host.atom_x.new_ones(2, 42)]))
    other = replace(host, atom_x=host.atom_x.roll(1, 1))
    with torch.no_grad():
        first = fast(batch).atom
        kept = fast.cache.view("atom", ATOMS.weights(fast), [longer.atom_x, longer.bond_x], 4)
        assert kept.rows > 0
        assert torch.equal(fast(replace(batch, tables=longer)).atom, first)
        assert not torch.equal(fast(replace(batch, tables=other)).atom, first)


def test_two_stores_in_turn_give_what_each_gives_alone() -> None:
    """Their codes name rows of other tables, so states of one store are not states of the other."""
    from pepland_data import HeteroBatch, featurize

    one = HeteroBatch.from_graphs([featurize(s) for s in ("NCC(=O)O", "OCCBr")])
    two = HeteroBatch.from_graphs([featurize(s) for s in ("ClCCO", "NCC(=O)O")])
    net = small_model().eval()
    with torch.no_grad():
        alone = []
        for batch in (one, two):
            net.cache.clear()
            alone.append(net(batch).atom)
        for _ in range(2):
            for batch, expected in zip((one, two), alone, strict=True):
                assert torch.equal(net(batch).atom, expected)


def test_an_interrupted_pass_leaves_no_classes_without_states(monkeypatch) -> None:
    net, other = pair()
    add, calls = kept_states.KeptStates.add, iter(range(99))

    def interrupted(self, *new):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return add(self, *new)

    monkeypatch.setattr(kept_states.KeptStates, "add", interrupted)
    with torch.no_grad(), pytest.raises(KeyboardInterrupt):
        net(batch_of(FIRST))
    monkeypatch.undo()
    with torch.no_grad():
        for batch in map(batch_of, (FIRST, SECOND)):
            assert torch.allclose(net(batch).atom, other(batch).atom, atol=1e-6)


def test_threads_that_share_a_model_do_not_mix_their_states() -> None:
    net, other = pair()

    def work(seed: int) -> float:
        rng, worst = random.Random(seed), 0.0
        for _ in range(10):
            batch = batch_of(random_rows(rng, 4))
            with torch.no_grad():
                worst = max(worst, float((net(batch).atom - other(batch).atom).abs().max()))
        return worst

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(work, range(4))) < 1e-5


@pytest.mark.parametrize("modes", [(True, False), (False, True)])
def test_inference_mode_and_no_grad_may_take_turns(modes) -> None:
    net, other = pair()
    for rows, mode in zip((FIRST, SECOND, [20, 21, 22]), (*modes, modes[0]), strict=True):
        with torch.inference_mode(mode), torch.no_grad():
            actual = net(batch_of(rows)).atom
        with torch.no_grad():
            assert torch.allclose(actual, other(batch_of(rows)).atom, atol=1e-6)


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("dedup", ["auto", False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_model_may_change_its_dtype(dtype, dedup, output) -> None:
    net = small_model(output, dedup=dedup).eval()
    batch = batch_of([*FIRST, 0, 3])
    with torch.no_grad():
        exact = net(batch)
        moved = net.to(dtype)(batch)
        for name in ("atom_embedding", "fragment_embedding"):
            one, other = getattr(moved, name), getattr(exact, name)
            assert one.dtype == dtype
            assert (one.float() - other).abs().max() < 0.05 * other.abs().max()
        again = net.float()(batch).atom
    if dtype == torch.float64:
        assert torch.equal(again, exact.atom)


def test_a_pickled_model_holds_no_kept_states() -> None:
    net = small_model().eval()
    empty = len(pickle.dumps(net))
    with torch.no_grad():
        expected = net(batch_of(FIRST)).atom
    assert len(pickle.dumps(net)) == empty
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    back = torch.load(file, weights_only=False)
    with torch.no_grad():
        assert torch.equal(back(batch_of(FIRST)).atom, expected)
