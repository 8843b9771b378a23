"""States kept across batches survive interruption, threads, inference mode and other dtypes."""

from __future__ import annotations

import io
import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.network.states import kept_states
from pepland_model.network.states.kept_states import MAX_ROWS, GrowingRows
from tests.helpers.model_batches import EDGE_CASES, batch_of
from tests.network.test_model_properties import model

FIRST, SECOND = [10, 11, 12], [13, 14, 3]


def fresh(batch) -> torch.Tensor:
    """What a model that has seen nothing gives."""
    with torch.no_grad():
        out: torch.Tensor = model(PharmHGT, "homo", keep_states=False).eval()(batch).atom
    return out


def test_an_interrupted_pass_leaves_nothing_behind(monkeypatch) -> None:
    """Numbers are given before states are computed; one without the other would shift all rows."""
    net = model(PharmHGT, "homo").eval()
    grow, calls = kept_states.ViewCache.grow, iter(range(99))

    def interrupted(self, *new):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return grow(self, *new)

    monkeypatch.setattr(kept_states.ViewCache, "grow", interrupted)
    with torch.no_grad(), pytest.raises(KeyboardInterrupt):
        net(batch_of(FIRST))
    monkeypatch.setattr(kept_states.ViewCache, "grow", grow)
    for rows in (FIRST, SECOND):
        with torch.no_grad():
            made = net(batch_of(rows)).atom
        assert torch.allclose(made, fresh(batch_of(rows)), atol=1e-6)


def test_threads_that_share_a_model_do_not_mix_their_states() -> None:
    net = model(PharmHGT, "homo").eval()

    def work(seed: int) -> float:
        rng, worst = random.Random(seed), 0.0
        for _ in range(20):
            batch = batch_of([rng.randrange(len(EDGE_CASES) + 40) for _ in range(4)])
            with torch.no_grad():
                worst = max(worst, float((net(batch).atom - fresh_net(batch).atom).abs().max()))
        return worst

    fresh_net = model(PharmHGT, "homo", keep_states=False).eval()
    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(work, range(4))) < 1e-5


@pytest.mark.parametrize("modes", [(True, False), (False, True)])
def test_inference_mode_and_no_grad_may_take_turns(modes) -> None:
    net = model(PharmHGT, "homo").eval()
    for rows, mode in zip((FIRST, SECOND, [20, 21, 22]), (*modes, modes[0]), strict=True):
        with torch.inference_mode(mode), torch.no_grad():
            made = net(batch_of(rows)).atom
        assert torch.allclose(made, fresh(batch_of(rows)), atol=1e-6)


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("dedup", ["auto", False])
@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16])
def test_a_model_may_change_its_dtype(kind, dedup, output) -> None:
    net = model(PharmHGT, output, dedup=dedup).eval()
    batch = batch_of([*FIRST, 0, 3])
    with torch.no_grad():
        exact = net(batch)
        moved = net.to(kind)(batch)
        assert moved.atom_embedding.dtype == moved.fragment_embedding.dtype == kind
        for name in ("atom_embedding", "fragment_embedding"):
            one, other = getattr(moved, name).float(), getattr(exact, name)
            assert (one - other).abs().max() < 0.05 * other.abs().max()
        again = net.float()(batch).atom
    if kind == torch.float64:
        assert torch.equal(again, exact.atom)


def test_a_pickled_model_goes_without_its_states() -> None:
    net = model(PharmHGT, "homo").eval()
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


def test_two_stores_in_turn_give_what_each_gives_alone() -> None:
    """Their codes name other rows, so states of one are no states of the other."""
    from pepland_data import HeteroBatch, featurize

    one = HeteroBatch.from_graphs([featurize(s) for s in ("NCC(=O)O", "OCCBr")])
    two = HeteroBatch.from_graphs([featurize(s) for s in ("ClCCO", "NCC(=O)O")])
    net = PharmHGT(PharmHGTConfig(hidden=24)).eval()
    with torch.no_grad():
        alone = []
        for batch in (one, two):
            net.cache.clear()
            alone.append(net(batch).atom)
        for _ in range(2):
            for batch, expected in zip((one, two), alone, strict=True):
                assert torch.equal(net(batch).atom, expected)


def test_rows_have_room_for_half_as_much_again_at_most() -> None:
    rows = GrowingRows(torch.zeros(0, 2))
    for step in range(200):
        held = rows.add(torch.full((7, 2), float(step)))
        assert held.untyped_storage().nbytes() <= max(7, 1.5 * len(rows)) * 2 * 4
    assert torch.equal(held[::7, 0], torch.arange(200.0))
    assert MAX_ROWS * 300 * 4 == 480_000_000


@pytest.mark.parametrize("room", [30, MAX_ROWS])
@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
def test_both_views_give_what_a_model_that_keeps_nothing_gives(monkeypatch, output, room) -> None:
    monkeypatch.setattr(kept_states, "MAX_ROWS", room)
    keeping, other = (model(PharmHGT, output, keep_states=k).eval() for k in (True, False))
    rng = random.Random(1)
    for turn in range(8):
        batch = batch_of([rng.randrange(len(EDGE_CASES) + 40) for _ in range(5)])
        rows = torch.tensor([1, 0]) if turn % 2 else None
        none = torch.empty(0, dtype=torch.int64)
        for asked in ((rows, rows), (none, rows), (rows, none)):
            with torch.no_grad():
                made, expected = keeping(batch, *asked), other(batch, *asked)
            for name in ("atom_embedding", "fragment_embedding"):
                one, two = getattr(made, name), getattr(expected, name)
                assert one.shape == two.shape
                assert torch.allclose(one, two, atol=1e-6)


def test_a_batch_seen_before_brings_no_new_states_in_either_view() -> None:
    net = model(PharmHGT, "homo").eval()
    with torch.no_grad():
        net(batch_of(FIRST))
        before = {name: kept[0].rows for name, kept in net.cache._views.items()}
        net(batch_of(FIRST[::-1]))
    assert before.keys() == {"atoms", "fragments"}
    assert min(before.values()) > 0
    assert before == {name: kept[0].rows for name, kept in net.cache._views.items()}


OF_FRAGMENTS = [
    "w_pharm.weight", "w_reac.bias", "mp.mp_list.prp.1.weight", "mp.attn.prp.linears.2.weight",
    "mp.node_last_layer.p.bias",
]  # fmt: skip


@pytest.mark.parametrize("name", OF_FRAGMENTS)
def test_fragment_states_notice_every_weight_of_theirs(name) -> None:
    batch = batch_of(FIRST)
    keeping, other = (model(PharmHGT, "homo", keep_states=k).eval() for k in (True, False))
    with torch.no_grad():
        keeping(batch)
        for net in (keeping, other):
            net.get_parameter(name).data.add_(0.5)
        assert torch.allclose(keeping(batch).fragment, other(batch).fragment, atol=1e-5)
