"""Steps with a loss scale as a fixed program: losses and scales are those of GradScaler."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from pepland_model.network import takers as by_takers
from pepland_model.train.mask import MaskOptions, mask_batch
from pepland_model.train.step import PretrainUpdater
from pepland_model.train.step_program import StepProgram, why_not
from tests.train.test_step_program import assert_same, parts, shrink, updater

MASKS = MaskOptions()


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch) -> None:
    monkeypatch.setattr(by_takers, "DEVICES", {"cpu"})


def scaled(precision: str, scale: float) -> tuple[PretrainUpdater, Tensor]:
    """An updater whose scale grows after two steps, and a factor of one of its gradients."""
    made, factor = updater(MASKS, precision), torch.ones(())
    made.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=2)
    next(iter(made.named.values())).register_hook(lambda gradient: gradient * factor)
    return made, factor


def scale_of(u: PretrainUpdater) -> tuple[float, int]:
    """Scale, and steps since it changed."""
    state = u.scaler.state_dict()
    return state["scale"], state["_growth_tracker"]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_infinite_gradient_skips_a_step_as_it_does_in_a_plain_run(precision) -> None:
    (plain, one), (other, two) = (scaled(precision, 2.0**10) for _ in range(2))
    program, results, done, seen = StepProgram(other, MASKS, 0, "off"), [], [], []
    for number in range(7):
        for factor in (one, two):
            factor.fill_(torch.inf if number in (0, 3) else 1)
        batch = parts()[number % 5]
        before = [p.detach().clone() for p in other.named.values()]
        results.append(plain.step(number, [mask_batch(batch, MASKS, 0, 0)]))
        done += program.submit(number, 0, batch)
        assert scale_of(other) == scale_of(plain)
        seen.append(scale_of(plain)[0] / 2.0**10)
        same = [torch.equal(p, q) for p, q in zip(before, other.named.values(), strict=True)]
        assert all(same) == (number in (0, 3))
    assert seen == [0.5, 0.5, 1, 0.5, 0.5, 1, 1]
    assert_same(plain, results, other, done + program.flush(), precision)


def test_a_scale_grows_until_fp16_has_no_larger_number_as_in_a_plain_run() -> None:
    (plain, _), (other, _) = (scaled("fp16", 2.0**17) for _ in range(2))
    program, results, done, seen = StepProgram(other, MASKS, 0, "off"), [], [], []
    for number in range(10):
        batch = parts()[number % 5]
        results.append(plain.step(number, [mask_batch(batch, MASKS, 0, number // 5)]))
        done += program.submit(number, number // 5, batch)
        assert scale_of(other) == scale_of(plain)
        seen.append(scale_of(plain)[0])
    done += program.flush()
    assert any(before < after for before, after in pairwise(seen))
    assert any(before > after for before, after in pairwise(seen))
    assert_same(plain, results, other, done, "fp16")


@pytest.mark.parametrize("infinite", [False, True])
def test_a_step_that_does_not_fit_changes_neither_weights_nor_scale(infinite) -> None:
    u, factor = scaled("fp16", 2.0**10)
    program = StepProgram(u, MASKS, 0, "off")
    program.submit(0, 0, parts()[1])
    program.flush()
    before, scale = [p.detach().clone() for p in u.named.values()], scale_of(u)
    factor.fill_(torch.inf if infinite else 1)
    shrink(program, 0.3)
    assert program.submit(1, 0, parts()[1]) == []
    assert bool(program.program.halted)
    assert all(torch.equal(p, q) for p, q in zip(before, u.named.values(), strict=True))
    assert scale_of(u) == scale == (2.0**10, 1)
    assert [step.number for step in program.flush()] == [1]
    assert scale_of(u) == ((2.0**9, 0) if infinite else (2.0**11, 0))


def test_fp16_is_recorded() -> None:
    u, _ = scaled("fp16", 1.0)
    u.device = torch.device("cuda")
    assert why_not(u) == ""
