"""Losses, baselines and the learning rate, against plain formulas."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from pepland_model.train.loss import (
    COUNT,
    Term,
    frequency_loss,
    most_frequent_share,
    pretrain_tally,
    total_loss,
)
from pepland_model.train.schedule import learning_rate


def term(rows: int, classes: int, masked: int, seed: int) -> Term:
    generator = torch.Generator().manual_seed(seed)
    target = torch.full((rows,), -100)
    target[:masked] = torch.randint(classes, (masked,), generator=generator)
    return Term(torch.randn(rows, classes, generator=generator, requires_grad=True), target)


def test_the_loss_is_the_sum_of_mean_cross_entropies_over_masked_nodes() -> None:
    atoms, fragments = term(9, 119, 5, 0), term(4, 16, 3, 1)
    tally = pretrain_tally([atoms, fragments, None])
    expected = sum(
        F.cross_entropy(t.logits, t.target, ignore_index=-100) for t in (atoms, fragments)
    )
    assert torch.allclose(total_loss(tally, tally.detach()[:, COUNT]), expected)


def test_uneven_parts_have_the_loss_and_gradient_of_the_whole() -> None:
    whole = term(12, 119, 9, 0)
    tally = pretrain_tally([whole, None, None])
    total_loss(tally, tally.detach()[:, COUNT]).backward()
    pieces = [Term(whole.logits.detach()[s].requires_grad_(), whole.target[s])
              for s in (slice(0, 2), slice(2, 12))]  # fmt: skip
    for piece in pieces:
        total_loss(pretrain_tally([piece, None, None]), tally.detach()[:, COUNT]).backward()
    gradient = torch.cat([piece.logits.grad for piece in pieces])
    assert torch.allclose(gradient, whole.logits.grad, atol=1e-7)


def test_a_batch_without_masked_nodes_has_a_loss_of_zero() -> None:
    tally = pretrain_tally([term(3, 8, 0, 0), None, None])
    assert total_loss(tally, tally.detach()[:, COUNT]).item() == 0.0


def test_low_precision_logits_are_compared_in_float32() -> None:
    whole = term(3, 8, 3, 0)
    low = Term(whole.logits.bfloat16(), whole.target)
    assert pretrain_tally([low, None, None]).dtype == torch.float32


def test_the_frequency_baseline_is_the_entropy_of_the_labels() -> None:
    counts = torch.tensor([6.0, 3.0, 1.0, 0.0])
    expected = -sum(p * math.log(p) for p in (0.6, 0.3, 0.1))
    assert frequency_loss(counts) == pytest.approx(expected)
    assert most_frequent_share(counts) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("constant", 0, 0.25),
        ("constant", 3, 1.0),
        ("constant", 99, 1.0),
        ("cosine", 4, 1.0),
        ("cosine", 52, 0.5),
        ("cosine", 100, 0.0),
        ("cosine", 150, 0.0),
        ("noam", 3, 1.0),
        ("noam", 15, 0.5),
    ],
)
def test_the_learning_rate_rises_and_falls_as_the_schedule_says(schedule, step, expected) -> None:
    assert learning_rate(step, 1.0, schedule, warmup=4, total=100) == pytest.approx(expected)


def test_cosine_ends_at_its_floor() -> None:
    assert learning_rate(100, 2.0, "cosine", 0, 100, floor=0.1) == pytest.approx(0.2)
