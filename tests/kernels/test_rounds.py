"""All rounds as one function of autograd against the plain operators, in float64."""

from __future__ import annotations

import pytest
import torch

from pepland_model.network import takers as by_takers
from pepland_model.network.kernels import devices as kernels
from pepland_model.network.view import ATOMS, FRAGMENTS, view_states
from tests.helpers.model_batches import batch_of, masked, small_model
from tests.kernels.test_sums import DEVICE, run_kernels

pytest.importorskip("triton")
__all__ = ["run_kernels"]


def states(net, view, batch, plain: bool, monkeypatch):
    """Return states of a view, and the gradients of inputs and weights."""
    with monkeypatch.context() as patched:
        if plain:
            patched.setattr(kernels, "DEVICES", set())
            patched.setattr(by_takers, "DEVICES", set())
        plan = net.plan(batch)
        plan = plan.atoms if view is ATOMS else plan.fragments
        torch.manual_seed(1)
        sizes = len(getattr(batch.tables, f"{view.nodes}_x")), len(batch.tables.bond_x)
        f, x = (torch.randn(n, net.config.hidden, dtype=torch.float64) for n in sizes)
        inputs = [f.to(DEVICE).requires_grad_(), x.to(DEVICE).requires_grad_()]
        out = view_states(net, view, *inputs, plan, None)
        weights = [p for p in view.weights(net)[4:] if p.requires_grad]  # without the first layers
        grads = torch.autograd.grad((out * torch.randn_like(out)).sum(), [*inputs, *weights])
    return out, *grads


@pytest.mark.parametrize("view", [ATOMS, FRAGMENTS])
@pytest.mark.parametrize("dedup", [True, False])
@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("recomputes", [False, True])
def test_values_and_gradients_are_those_of_the_plain_operators(
    run_kernels, monkeypatch, view, dedup, depth, recomputes
) -> None:
    net = small_model(dedup=dedup, depth=depth).double().to(DEVICE)
    net.mp.attn[view.attention].recomputes = recomputes
    batch = masked(batch_of([3, 5]), "pep", True).to(DEVICE)
    expected = states(net, view, batch, True, monkeypatch)
    found = states(net, view, batch, False, monkeypatch)
    for value, true in zip(found, expected, strict=True):
        value, true = value.detach(), true.detach()
        assert (value - true).abs().max() <= 1e-12 * max(1.0, float(true.abs().max()))


@pytest.mark.parametrize("view", [ATOMS, FRAGMENTS])
def test_the_same_states_without_gradients_and_after_each_round(
    run_kernels, monkeypatch, view
) -> None:
    net = small_model(depth=4).double().to(DEVICE)
    batch = masked(batch_of([3, 5]), "pep", True).to(DEVICE)
    plan = net.plan(batch)
    plan = plan.atoms if view is ATOMS else plan.fragments
    sizes = len(getattr(batch.tables, f"{view.nodes}_x")), len(batch.tables.bond_x)
    f, x = (torch.randn(n, net.config.hidden, dtype=torch.float64, device=DEVICE) for n in sizes)
    found, rounds = [], []
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            after = []
            found += [view_states(net, view, f, x, plan, None)]
            found += [view_states(net, view, f, x, plan, None, passed=after)]
            rounds.append(after)
    assert all((out - found[0]).abs().max() <= 1e-12 for out in found)
    assert len(rounds[0]) == net.config.rounds
    for one, other in zip(*rounds, strict=True):
        one, other = (r.states if r.rows is None else r.states[r.rows] for r in (one, other))
        assert (one - other).abs().max() <= 1e-12


def test_a_second_backward_pass_is_refused(run_kernels) -> None:
    net = small_model(depth=3).to(DEVICE)
    total = net(batch_of([3]).to(DEVICE)).atom.sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="one backward pass"):
        total.backward()
