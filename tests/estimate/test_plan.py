"""Hours of stages, on one card and on several, and speed of vectors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pepland_model.estimate.cards import card
from pepland_model.estimate.corpus import Corpus
from pepland_model.estimate.hours import Stage, held_out
from pepland_model.estimate.memory import Memory
from pepland_model.estimate.money import Prices
from pepland_model.estimate.plan import (
    Plan,
    StagePlan,
    hours,
    hours_by_batch,
    inference,
    scaling,
    scaling_row,
)
from pepland_model.estimate.scaling import scaled
from pepland_model.estimate.speed import Speeds
from pepland_model.estimate.work import Workload
from pepland_model.run.config import ModelConfig, OptimConfig

BATCH, GRADIENTS = 64, 13_000_000
RTX, H100 = card("rtx-4090"), card("h100-sxm")
CARDS = [RTX, H100]


@pytest.fixture(scope="module")
def other(other_store, calibration):
    """Memory of another corpus, of 10,000 graphs."""
    corpus = Corpus([str(other_store.path)], ModelConfig())
    work = Workload(corpus, ModelConfig(), OptimConfig())
    return Memory(Speeds(work, calibration), 10_000)


@pytest.fixture(scope="module")
def plan(memory, other):
    """Two stages on two corpora."""
    stages = [StagePlan.of("stage 1", memory, 50, 0.05), StagePlan.of("stage 2", other, 25, 0.05)]
    return Plan(stages, "bf16", BATCH, 500, GRADIENTS, Prices())


def test_a_stage_trains_on_what_it_does_not_hold_out(memory) -> None:
    found = StagePlan.of("stage 1", memory, 50, 0.05)
    assert found.held_out == held_out(100_000, 0.05) == 5_000
    assert found.stage == Stage("stage 1", 95_000, 50)


def test_hours_are_steps_times_the_time_of_a_step_and_evaluations(plan) -> None:
    (first, _) = plan.hours(RTX, BATCH)
    speed = plan.stages[0].memory.speeds.of("training", RTX, "bf16", BATCH)
    steps = 50 * -(-95_000 // BATCH)
    assert first.steps == steps
    assert first.training_h == pytest.approx(steps * speed.step_s / 3600)
    forward_s = sum(speed.times.stages[name] for name in ("search", "forward")) / BATCH * 5_000
    assert first.evaluations == -(-steps // 500)
    assert first.evaluation_h == pytest.approx(first.evaluations * forward_s / 3600)


def test_stages_on_two_corpora_have_steps_of_their_own(plan, other) -> None:
    first, second = (plan.step(one, RTX, BATCH, 1).step_s for one in plan.stages)
    assert second == other.speeds.of("training", RTX, "bf16", BATCH).step_s
    assert first != second
    same = replace(
        plan, stages=[plan.stages[0], replace(plan.stages[1], memory=plan.stages[0].memory)]
    )
    assert same.hours(RTX, BATCH)[0] == plan.hours(RTX, BATCH)[0]
    assert same.hours(RTX, BATCH)[1] != plan.hours(RTX, BATCH)[1]


def test_the_total_is_the_sum_of_the_stages(plan) -> None:
    rows = hours(plan, CARDS).rows
    for one in CARDS:
        mine = [row for row in rows if row["card"] == one.title]
        assert [row["stage"] for row in mine] == ["stage 1", "stage 2"]
        total = sum(row["hours"] for row in mine)
        assert total == pytest.approx(plan.total_h(one, BATCH))
        (row,) = hours_by_batch(plan, [one], [BATCH]).rows
        assert row[f"hours_{BATCH}"] == pytest.approx(total)
    assert plan.samples == 95_000 * 50 + 9_500 * 25


def test_larger_batches_take_fewer_hours(plan) -> None:
    (row,) = hours_by_batch(plan, [RTX], [8, BATCH, 256]).rows
    assert row["hours_8"] > row["hours_64"] > row["hours_256"]


def test_rows_of_scaling_fit_together(plan) -> None:
    gpus = (1, 2, 4, 8)
    rows = scaling(plan, [RTX], gpus, [BATCH]).rows
    alone = plan.stages[0].memory.speeds.of("training", RTX, "bf16", BATCH).step_s
    for count, row in zip(gpus, rows, strict=True):
        wanted = scaled(alone, GRADIENTS, count, RTX)
        assert (row["gpus"], row["global_batch"]) == (count, count * BATCH)
        assert row["step_ms"] == pytest.approx(1e3 * wanted.step_s)
        assert row["speedup"] == pytest.approx(count * row["efficiency"])
        assert row["peptides_per_s"] == pytest.approx(row["speedup"] * BATCH / alone)
        assert row["money"] == pytest.approx(row["hours"] * count * RTX.price_per_hour)
        assert row["hours"] == pytest.approx(plan.total_h(RTX, count * BATCH, count))
    assert rows[0]["all_reduce_ms"] == 0
    assert rows[0]["hours"] == pytest.approx(plan.total_h(RTX, BATCH))
    times = [row["hours"] for row in rows]
    assert times == sorted(times, reverse=True)


def test_evaluations_share_the_cards(plan) -> None:
    one, two = plan.hours(RTX, BATCH)[0], plan.hours(RTX, 2 * BATCH, 2)[0]
    each = [stage.evaluation_h / stage.evaluations for stage in (one, two)]
    assert each[0] == pytest.approx(2 * each[1])


def test_a_batch_that_cards_cannot_share_evenly_is_rounded_up(plan) -> None:
    step = plan.step(plan.stages[0], RTX, 2 * BATCH - 1, 2)
    assert step == plan.step(plan.stages[0], RTX, 2 * BATCH, 2)


def test_without_a_price_there_is_no_money(plan) -> None:
    other = replace(plan, prices=Prices("CNY"))
    row = scaling_row(other, RTX, 2, BATCH)
    assert row["money"] is None
    assert row | {"money": 0} == scaling_row(plan, RTX, 2, BATCH) | {"money": 0}


def test_a_bound_takes_the_hours_of_its_low_end(bounds) -> None:
    memory = Memory(bounds, 1_000)
    plan = Plan([StagePlan.of("stage 1", memory, 1, 0)], "bf16", BATCH, 500, GRADIENTS, Prices())
    steps = -(-1_000 // BATCH)
    (found,) = plan.hours(RTX, BATCH)
    low = bounds.of("training", RTX, "bf16", BATCH).low
    assert found.hours == pytest.approx(steps * BATCH / low / 3600)
    assert found.evaluations == 0


def test_seconds_are_for_a_million_vectors(memory) -> None:
    found = inference(memory, CARDS, "bf16", [BATCH])
    for one, row in zip(CARDS, found.rows, strict=True):
        speed = memory.speeds.of("inference", one, "bf16", BATCH)
        assert row["peptides_per_s"] == pytest.approx(speed.per_s)
        assert row["seconds"] * row["peptides_per_s"] == pytest.approx(1e6)
        assert row["gib"] == memory.used_gib("inference", "bf16", BATCH)
        assert row["limit"] == speed.limit
