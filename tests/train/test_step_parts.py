"""Steps of several parts as a fixed program: losses and weights are those of one batch."""

from __future__ import annotations

import pytest
import torch

from pepland_model.network import fixed_program
from pepland_model.network import takers as by_takers
from pepland_model.train.mask import MaskOptions, mask_batch
from pepland_model.train.out_of_memory import first_graphs
from pepland_model.train.step_program import Step, StepProgram
from tests.helpers.model_batches import batch_of
from tests.train.test_step_program import (
    assert_same,
    by_threads,
    shrink,
    updater,
)

MASKS = MaskOptions()
STEPS = [
    [[12, 14, 15, 19, 20, 21, 5], [9, 10, 11], [4, 5, 6, 7, 8]],
    [[12, 13], [14], [15, 16, 17]],
    [[16, 18, 19], [], [20, 21]],
    [[4, 12, 13, 14], [5, 6], [12, 17]],
]
"""Molecules of each part of each step."""
PARTS = [(step, part) for step in range(len(STEPS)) for part in range(3)]


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch) -> None:
    monkeypatch.setattr(by_takers, "DEVICES", {"cpu"})


def part_of(rows: list[int]):
    """The batch of some molecules; of none, too."""
    if rows:
        return batch_of(rows)
    return first_graphs(mask_batch(batch_of([0]), MASKS, 0, 0), 0).batch


def plain_steps(precision: str = "fp32"):
    u, results = updater(MASKS, precision), []
    for number, rows in enumerate(STEPS):
        parts = [mask_batch(batch_of(part), MASKS, 0, 0) for part in rows if part]
        results.append(u.step(number, parts))
    return u, results


def program_steps(too_small: set[tuple[int, int]], precision: str = "fp32"):
    """Steps by a program whose rooms are too small from some parts on."""
    u = updater(MASKS, precision)
    program, done = StepProgram(u, MASKS, 0, "off", accumulate=3), []
    shrink_before(program, too_small)
    for number, rows in enumerate(STEPS):
        done += program.submit(number, 0, *map(part_of, rows))
    return u, program, done + program.flush()


def shrink_before(program: StepProgram, parts: set[tuple[int, int]]) -> None:
    """Make the rooms too small before some parts, counted by step and place."""
    submit, places = program.program.submit, iter(PARTS)

    def smaller(*args):
        if next(places) in parts:
            shrink(program, 0.2)
        return submit(*args)

    program.program.submit = smaller


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_steps_of_parts_have_the_losses_and_weights_of_plain_steps(precision) -> None:
    u, results = plain_steps(precision)
    other, program, done = program_steps(set(), precision)
    assert program.program.overflows == 0
    assert_same(u, results, other, done, precision)
    assert other.scaler.state_dict() == u.scaler.state_dict()
    assert not program._kept.any()
    assert [len(step.batches) for step in done] == 4 * [3]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("at", [{(1, 0)}, {(1, 1)}, {(1, 2)}, {(0, 2), (3, 0)}])
def test_a_part_that_does_not_fit_runs_again_and_changes_no_loss(at, precision) -> None:
    u, results = plain_steps(precision)
    other, program, done = program_steps(at, precision)
    assert program.program.overflows >= len(at)
    assert_same(u, results, other, done, precision)
    assert other.scaler.state_dict() == u.scaler.state_dict()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_step_with_a_part_that_does_not_fit_changes_nothing_until_it_runs_again(
    monkeypatch, place
) -> None:
    monkeypatch.setattr(fixed_program, "IN_FLIGHT", 3)
    u, same = updater(MASKS), 3 * [part_of(STEPS[0][0])]
    program = StepProgram(u, MASKS, 0, "off", accumulate=3)
    program.submit(0, 0, *same)
    program.flush()
    before, kept = [p.detach().clone() for p in u.named.values()], []
    submit = program.program.submit

    def smaller(*args):
        kept.append(program._kept.clone())
        if len(kept) == place + 1:
            shrink(program, 0.2)
        return submit(*args)

    program.program.submit = smaller
    assert program.submit(1, 0, *same) == []
    assert bool(program.program.halted)
    assert torch.equal(program._kept, kept[place])
    assert bool(kept[place].any()) == (place > 0)
    assert all(torch.equal(a, b) for a, b in zip(before, u.named.values(), strict=True))
    assert [step.number for step in program.flush()] == [1]
    assert not bool(program._kept.any())
    assert not all(torch.equal(a, b) for a, b in zip(before, u.named.values(), strict=True))


def test_weights_without_a_gradient_have_no_optimizer_state_as_in_plain_steps() -> None:
    u, _ = plain_steps()
    other, _, _ = program_steps(set())
    states = [{n for n, p in v.named.items() if p in v.optimizer.state} for v in (u, other)]
    assert states[0] == states[1]


@pytest.mark.parametrize("too_small", [None, (0, 1), (1, 0), (1, 1), (3, 0), (3, 2)])
def test_several_processes_have_the_losses_of_one(too_small) -> None:
    """Rooms are too small in one process only, and all run the same parts again."""
    u, expected = plain_steps()

    def steps(rank: int, program: StepProgram) -> list[Step]:
        shrink_before(program, {too_small} if too_small and rank == 0 else set())
        done = []
        for number, rows in enumerate(STEPS):
            done += program.submit(number, 0, *(part_of(part[rank::2]) for part in rows))
        return done

    updaters, found, seen = by_threads(MASKS, 2, steps, accumulate=3)
    assert seen == ([1, 1] if too_small else [0, 0])
    for rank in range(2):
        assert_same(u, expected, updaters[rank], found[rank])
    for one, two in zip(*(v.network.parameters() for v in updaters), strict=True):
        assert torch.equal(one, two)
