"""The loss of distinct states by kernels against the plain operators."""

from __future__ import annotations

import pytest
import torch

from pepland_model.network.kernels import devices as kernels
from pepland_model.train.loss import COUNT, Term, loss_weights, pretrain_tally, total_loss
from tests.kernels.test_sums import DEVICE, run_kernels

pytest.importorskip("triton")
__all__ = ["run_kernels"]
SIZES = [(70, 9, 119), (30, 40, 24), (6, 2, 4)]
"""Nodes, states and classes of each term."""


def term(nodes: int, states: int, classes: int, dtype: torch.dtype) -> Term:
    logits = torch.randn(states, classes, dtype=dtype, device=DEVICE)
    logits[:, 1] = logits[:, 2] = logits.max(1).values  # the first of equal ones is predicted
    target = torch.randint(classes, (nodes,), device=DEVICE)
    target[::2], rows = 1, torch.randint(states, (nodes,), device=DEVICE)
    target[torch.rand(nodes, device=DEVICE) < 0.4] = -100
    return Term(logits.requires_grad_(), target, rows)


def grads(terms: list[Term | None], tally: torch.Tensor) -> list[torch.Tensor]:
    weight = torch.tensor([[0.5, 9, 9], [2.0, 9, 9], [3.0, 9, 9]], device=DEVICE)
    inputs = [t.logits for t in terms if t is not None]
    return list(torch.autograd.grad(tally, inputs, weight))


@pytest.mark.parametrize("left_out", [(), (2,), (0, 1), (0,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_tally_and_gradients_are_those_of_the_plain_operators(
    run_kernels, monkeypatch, left_out, dtype
) -> None:
    terms = [None if i in left_out else term(*SIZES[i], dtype) for i in range(3)]
    found = pretrain_tally(terms)
    actual = grads(terms, found)
    monkeypatch.setattr(kernels, "DEVICES", set())
    expected = pretrain_tally(terms)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-4)
    assert torch.equal(found[:, 1:], expected[:, 1:])
    bound = 1e-5 if dtype == torch.float32 else 2e-2
    for one, two in zip(actual, grads(terms, expected), strict=True):
        assert one.dtype == dtype
        assert torch.allclose(one, two, rtol=bound, atol=bound)


def test_float64_logits_have_gradients_of_float64(run_kernels) -> None:
    from pepland_model.network.kernels.label_loss import label_loss

    one = term(*SIZES[1], torch.float64)
    found = label_loss([one.logits], [one.rows], [one.target], -100)
    (actual,) = torch.autograd.grad(found[0, 0], one.logits)
    asked = one.target != -100
    every = one.logits.index_select(0, one.rows[asked])
    loss = torch.nn.functional.cross_entropy(every, one.target[asked], reduction="sum")
    (expected,) = torch.autograd.grad(loss, one.logits)
    assert (actual - expected).abs().max() <= 1e-12


@pytest.mark.parametrize("nodes", [0, 5])
def test_terms_without_labels_have_no_loss_and_no_gradient(run_kernels, nodes) -> None:
    logits = torch.randn(4, 8, device=DEVICE, requires_grad=True)
    target = torch.full((nodes,), -100, device=DEVICE)
    tally = pretrain_tally([Term(logits, target, torch.zeros_like(target)), None, None])
    assert not tally.any()
    assert not torch.autograd.grad(tally[0, 0], logits)[0].any()


def test_the_weights_of_a_tally_are_the_gradient_of_the_loss() -> None:
    tally = torch.rand(3, 3, requires_grad=True)
    counts = torch.tensor([5.0, 0.0, 2.0])
    (expected,) = torch.autograd.grad(total_loss(tally, counts), tally)
    assert torch.equal(loss_weights(counts)[:, 0], expected[:, 0])
    assert COUNT == 2
