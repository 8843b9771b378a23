"""Random batches, masks and padding: the fast model against the plain one, values and gradients."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data import HeteroBatch
from pepland_data.graph.columns import GROUPS
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.network.plain_pharmhgt import PlainPharmHGT
from pepland_model.train.mask import MaskOptions, mask_batch
from tests.helpers.model_batches import EDGE_CASES, batch_of, padded

NAMES = ("atom", "fragment", "atom_junction", "fragment_junction")


def model(kind: type, output: str, **settings_: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return kind(PharmHGTConfig(hidden=24, output=output, **settings_))


def run(net: torch.nn.Module, batch: HeteroBatch, atoms: int, fragments: int):
    """Outputs of the first rows, and the gradient of a loss on them in every weight."""
    net.zero_grad()
    out = net(batch)
    made = {n: getattr(out, n) for n in NAMES if getattr(out, n) is not None}
    made = {n: v[: atoms if n.startswith("atom") else fragments] for n, v in made.items()}
    generator = torch.Generator().manual_seed(7)
    embeddings = out.atom_embedding[:atoms], out.fragment_embedding[:fragments]
    loss = sum((e * torch.randn(e.shape, generator=generator)).sum() for e in embeddings)
    loss.backward()
    zero = torch.zeros(())
    made = {n: v.detach() for n, v in made.items()}
    return made, {n: zero if p.grad is None else p.grad for n, p in net.named_parameters()}


def assert_same(found, expected) -> None:
    """1e-5 of the largest entry, for outputs and for the gradient of each weight."""
    (values, gradients), (wanted, wanted_gradients) = found, expected
    assert values.keys() == wanted.keys()
    for name, value in wanted.items():
        assert (values[name] - value).abs().max() <= 1e-5 * max(1, float(value.abs().max())), name
    largest = max(float(g.abs().max()) for g in wanted_gradients.values())
    for name, gradient in wanted_gradients.items():
        # Weights whose gradient is zero in exact arithmetic hold rounding noise of their layer.
        scale = max(float(gradient.abs().max()), 1e-2 * largest)
        assert (gradients[name] - gradient).abs().max() <= 1e-5 * scale, name


ROWS = st.lists(st.integers(0, len(EDGE_CASES) + 39), min_size=1, max_size=8)
OUTPUTS = st.sampled_from(["homo", "checkpoint", "fused"])
MASKS = st.sampled_from([None, "pep", "residue", "atom"])


@given(ROWS, OUTPUTS, st.sampled_from([True, False, "auto"]), MASKS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_values_and_gradients_equal_the_plain_model(rows, output, dedup, mask, bonds) -> None:
    batch = batch_of(rows)
    if mask is not None:
        batch = mask_batch(batch, MaskOptions(mask, mask_bonds=bonds), 3, 0).batch
    size = len(batch.atom_code), len(batch.fragment_code)
    expected = run(model(PlainPharmHGT, output), batch, *size)
    assert_same(run(model(PharmHGT, output, dedup=dedup), batch, *size), expected)


@given(ROWS, OUTPUTS, st.sampled_from([True, False]),
       st.tuples(*[st.integers(1, 70)] * 4), st.integers(0, 3), st.booleans())  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_ghost_rows_change_neither_values_nor_gradients(
    rows, output, dedup, room, graphs, masked
) -> None:
    batch = batch_of(rows)
    size = len(batch.atom_code), len(batch.fragment_code)
    longer = padded(batch, dict(zip(GROUPS, room, strict=True)), graphs)
    if masked:
        options = MaskOptions("atom", mask_bonds=True)
        batch, longer = (mask_batch(b, options, 3, 0).batch for b in (batch, longer))
    expected = run(model(PlainPharmHGT, output), batch, *size)
    assert_same(run(model(PharmHGT, output, dedup=dedup), longer, *size), expected)


@given(st.lists(ROWS, min_size=1, max_size=4), OUTPUTS, st.booleans())
@settings(max_examples=25, deadline=None)
def test_states_kept_across_batches_equal_the_plain_model(batches, output, ghosts) -> None:
    plain, fast = model(PlainPharmHGT, output).eval(), model(PharmHGT, output).eval()
    with torch.no_grad():
        for rows in batches:
            batch = batch_of(rows)
            expected = plain(batch)
            if ghosts:
                batch = padded(batch, dict.fromkeys(GROUPS, 9), 1)
            out = fast(batch)
            for name in NAMES[: 2 if output == "homo" else 4]:
                wanted = getattr(expected, name)
                found = getattr(out, name)[: len(wanted)]
                assert (found - wanted).abs().max() <= 1e-5 * max(1, float(wanted.abs().max()))


@pytest.mark.parametrize("limit", [3, 8, 30, 60])
@pytest.mark.parametrize("training", [True, False])
def test_more_classes_than_a_key_has_room_for_are_no_problem(monkeypatch, limit, training) -> None:
    from pepland_model.network.states import distinct as states

    monkeypatch.setattr(states, "LIMIT", limit)
    plain, fast = model(PlainPharmHGT, "homo"), model(PharmHGT, "homo")
    with torch.set_grad_enabled(training):
        for rows in ([0, 3, 7], [11, 12, 8], [3, 7]):
            batch = batch_of(rows)
            made, expected = fast.train(training)(batch), plain.train(training)(batch)
            assert torch.allclose(made.atom, expected.atom, atol=1e-6)
            assert torch.allclose(made.fragment, expected.fragment, atol=1e-6)


def test_the_order_of_a_batch_changes_no_row() -> None:
    rows = [3, 17, 0, 30, 8]
    fast = model(PharmHGT, "fused", dedup=True).eval()
    with torch.no_grad():
        one = fast(batch_of(rows))
        other = fast(batch_of(rows[::-1]))
    sizes = np.diff(batch_of(rows).atom_ptr.numpy()).tolist()
    back = torch.cat(list(reversed(other.atom_embedding.split(sizes[::-1]))))
    assert (one.atom_embedding - back).abs().max() < 1e-6


@pytest.mark.parametrize("way", ["data", "in place", "optimizer", "load", "another tensor"])
def test_states_that_were_kept_notice_every_change_of_a_weight(way: str) -> None:
    batch = batch_of(list(range(12)))
    plain, fast = model(PlainPharmHGT, "homo").eval(), model(PharmHGT, "homo").eval()
    with torch.no_grad():
        fast(batch)
    for net in (plain, fast):
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
        assert torch.allclose(fast(batch).atom, plain(batch).atom, atol=1e-6)


def test_a_table_with_more_rows_keeps_the_states_and_another_table_does_not() -> None:
    fast = model(PharmHGT, "homo").eval()
    batch = batch_of([3, 10, 11])
    host = batch.tables
    longer = replace(host, atom_x=torch.cat([host.atom_x, host.atom_x.new_ones(2, 42)]))
    other = replace(host, atom_x=host.atom_x.roll(1, 1))
    with torch.no_grad():
        first = fast(batch).atom
        kept = fast.cache.view("atoms", fast.view_weights("aba", "a", "atom", "bond"),
                               [longer.atom_x, longer.bond_x], 4)  # fmt: skip
        assert kept.rows > 0
        assert torch.equal(fast(replace(batch, tables=longer)).atom, first)
        assert not torch.equal(fast(replace(batch, tables=other)).atom, first)


def test_a_full_cache_starts_anew(monkeypatch) -> None:
    from pepland_model.network.states import kept_states as state_cache

    monkeypatch.setattr(state_cache, "MAX_ROWS", 30)
    plain, fast = model(PlainPharmHGT, "homo").eval(), model(PharmHGT, "homo").eval()
    rng = random.Random(0)
    with torch.no_grad():
        for _ in range(6):
            batch = batch_of([rng.randrange(len(EDGE_CASES) + 40) for _ in range(4)])
            assert torch.allclose(fast(batch).atom, plain(batch).atom, atol=1e-6)


@pytest.mark.parametrize("dedup", [True, False])
@pytest.mark.parametrize("output", ["homo", "fused"])
def test_two_runs_give_the_same_bits(dedup, output) -> None:
    batch = mask_batch(batch_of(list(range(50))), MaskOptions("atom"), 0, 0).batch
    size = len(batch.atom_code), len(batch.fragment_code)
    runs = [run(model(PharmHGT, output, dedup=dedup), batch, *size) for _ in range(2)]
    for one, two in zip(*runs, strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)
