"""Random batches, masks and padding: the fast network against the plain one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data import HeteroBatch
from pepland_data.graph.columns import GROUPS
from pepland_model import PharmHGTConfig
from pepland_model.network.plain_pharmhgt import PlainPharmHGT
from pepland_model.network.states import distinct, distinct_junction
from tests.helpers.model_batches import MOLECULES, STATES, batch_of, masked, padded, small_model

ROWS = st.lists(st.integers(0, MOLECULES - 1), min_size=1, max_size=8)
OUTPUTS = st.sampled_from(["homo", "checkpoint", "fused"])
MASKS = st.sampled_from([None, "pep", "residue", "atom"])
ROOM = st.none() | st.fixed_dictionaries({group: st.integers(1, 70) for group in GROUPS})


def run(net: torch.nn.Module, batch: HeteroBatch, atoms: int, fragments: int):
    """Outputs of the first rows, and the gradient of a loss on them for every weight."""
    net.zero_grad()
    out = net(batch)
    states = {n: getattr(out, n) for n in STATES if getattr(out, n) is not None}
    generator = torch.Generator().manual_seed(7)
    embeddings = out.atom_embedding[:atoms], out.fragment_embedding[:fragments]
    loss = sum((e * torch.randn(e.shape, generator=generator)).sum() for e in embeddings)
    loss.backward()
    zero = torch.zeros(())
    size = {n: atoms if n.startswith("atom") else fragments for n in states}
    values = {n: v.detach()[: size[n]] for n, v in states.items()}
    return values, {n: zero if p.grad is None else p.grad for n, p in net.named_parameters()}


def assert_close(actual, expected) -> None:
    """1e-5 of the largest entry, for outputs and for the gradient of each weight."""
    (values, gradients), (expected_values, expected_gradients) = actual, expected
    assert values.keys() == expected_values.keys()
    for name, value in expected_values.items():
        assert (values[name] - value).abs().max() <= 1e-5 * max(1, float(value.abs().max())), name
    largest = max(float(g.abs().max()) for g in expected_gradients.values())
    for name, gradient in expected_gradients.items():
        # Weights whose gradient is zero in exact arithmetic hold rounding noise of their layer.
        scale = max(float(gradient.abs().max()), 1e-2 * largest)
        assert (gradients[name] - gradient).abs().max() <= 1e-5 * scale, name


@given(ROWS, OUTPUTS, st.sampled_from([True, False, "auto"]), MASKS, st.booleans(), ROOM,
       st.integers(0, 3))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_values_and_gradients_equal_the_plain_network_with_and_without_padding(
    rows, output, dedup, mask, bonds, room, graphs
) -> None:
    batch = batch_of(rows)
    size = len(batch.atom_code), len(batch.fragment_code)
    fast_batch = batch if room is None else padded(batch, room, graphs)
    if mask is not None:
        batch, fast_batch = (masked(b, mask, bonds) for b in (batch, fast_batch))
    expected = run(small_model(output, PlainPharmHGT, depth=4), batch, *size)
    assert_close(run(small_model(output, dedup=dedup, depth=4), fast_batch, *size), expected)


@pytest.mark.parametrize("dedup", ["auto", True, False])
def test_chosen_rows_are_the_rows_of_all(dedup) -> None:
    batch, fast = batch_of(list(range(12))), small_model("fused", dedup=dedup)
    rows, fragments = torch.tensor([5, 0, 3]), torch.tensor([2, 1])
    some, every = fast(batch, rows, fragments), fast(batch)
    torch.testing.assert_close(some.atom_embedding, every.atom_embedding[rows])
    torch.testing.assert_close(some.fragment_embedding, every.fragment_embedding[fragments])


@pytest.mark.parametrize("limit", [3, 8, 30, 60])
@pytest.mark.parametrize("training", [True, False])
def test_more_classes_than_a_key_has_room_for_change_no_state(monkeypatch, limit, training) -> None:
    monkeypatch.setattr(distinct, "LIMIT", limit)
    plain, fast = small_model(kind=PlainPharmHGT), small_model()
    with torch.set_grad_enabled(training):
        for rows in ([0, 3, 7], [11, 12, 8], [3, 7]):
            batch = batch_of(rows)
            actual, expected = fast.train(training)(batch), plain.train(training)(batch)
            assert torch.allclose(actual.atom, expected.atom, atol=1e-6)
            assert torch.allclose(actual.fragment, expected.fragment, atol=1e-6)


def test_the_order_of_a_batch_changes_no_row() -> None:
    rows = [3, 17, 0, 30, 8]
    fast = small_model("fused", dedup=True).eval()
    with torch.no_grad():
        one = fast(batch_of(rows))
        other = fast(batch_of(rows[::-1]))
    sizes = np.diff(batch_of(rows).atom_ptr.numpy()).tolist()
    back = torch.cat(list(reversed(other.atom_embedding.split(sizes[::-1]))))
    assert (one.atom_embedding - back).abs().max() < 1e-6


@pytest.mark.parametrize("dedup", [True, False])
@pytest.mark.parametrize("output", ["homo", "fused"])
def test_two_runs_give_the_same_bits(dedup, output) -> None:
    batch = masked(batch_of(list(range(50))))
    size = len(batch.atom_code), len(batch.fragment_code)
    runs = [run(small_model(output, dedup=dedup), batch, *size) for _ in range(2)]
    for one, two in zip(*runs, strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_equal_neighbourhoods_are_computed_once() -> None:
    fast = small_model("fused", dedup=True)
    once, thrice = fast.plan(batch_of([12, 13])), fast.plan(batch_of([12, 13] * 3))
    assert once.atoms.counts() == thrice.atoms.counts()
    assert once.fragments.counts() == thrice.fragments.counts()
    assert len(once.junction.ptr) == len(thrice.junction.ptr)


def test_fragments_of_many_atoms_are_told_apart_by_every_atom() -> None:
    """Padding atoms form one fragment of thousands; this must not slow down the others."""
    codes = [[1, 2], [2, 1], [1, 2, 3], [1] * 4000, [1] * 3999 + [2], [1], [], [1, 2], [1] * 4000]
    kinds = torch.tensor([5, 5, 5, 5, 5, 5, 5, 6, 5])
    owner = torch.tensor([i for i, atoms in enumerate(codes) for _ in atoms])
    flat = torch.tensor([code for atoms in codes for code in atoms])
    plan = distinct_junction.distinct_junction(flat, owner, kinds)
    rows = plan.fragment_rows.tolist()
    assert rows[0] == rows[1]
    assert rows[3] == rows[8]
    assert len(set(rows)) == 7
    assert torch.equal(plan.fragment_code[plan.fragment_rows], kinds)
    assert torch.equal(plan.atom_code[plan.atom_rows], flat)
    assert torch.equal(plan.atom_fragment[plan.atom_rows], plan.fragment_rows[owner])


def test_more_fragments_than_a_key_has_room_for_are_all_computed(monkeypatch) -> None:
    monkeypatch.setattr(distinct_junction, "LIMIT", 4)
    atoms, owner = torch.tensor([1, 4]), torch.tensor([0, 1])
    plan = distinct_junction.distinct_junction(atoms, owner, torch.ones(2).int())
    assert plan.fragment_rows is None


def test_an_unknown_dedup_is_named() -> None:
    with pytest.raises(ValueError, match="dedup 'yes'; expected"):
        PharmHGTConfig(dedup="yes")
