"""Settings for three kinds of users, and the short table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pepland_model.estimate.advice import (
    ADVISED,
    WORTH,
    configurations,
    duration,
    figure,
    first,
    quick,
    worth,
)
from pepland_model.estimate.answer import Answer
from pepland_model.estimate.cards import card
from pepland_model.estimate.money import Prices
from pepland_model.estimate.plan import Plan, StagePlan, scaling_row

RTX, H100 = card("rtx-4090"), card("h100-sxm")
GPUS = (1, 2, 4, 8)


@pytest.fixture(scope="module")
def plan(memory):
    """One stage."""
    return Plan(
        [StagePlan.of("stage 1", memory, 50, 0.05)], "bf16", 64, 500, 13_000_000, Prices()
    )  # fmt: skip


def rows(plan, cards, gpus=GPUS):
    return {row["for_whom"]: row for row in configurations(plan, cards, gpus).rows}


def test_a_person_and_a_lab_buy_the_cheapest_card_and_a_cluster_has_the_fastest(plan) -> None:
    found = rows(plan, [H100, RTX])
    assert found["one person"]["card"] == found["small lab"]["card"] == RTX.title
    assert found["cluster"]["card"] == H100.title
    assert found["one person"]["gpus"] == 1
    assert found["small lab"]["gpus"] <= 4
    for row in found.values():
        assert row["batch_per_card"] == ADVISED
        assert row["global_batch"] == row["gpus"] * ADVISED
        assert row["efficiency"] >= WORTH
    assert found["cluster"]["hours"] < found["small lab"]["hours"] < found["one person"]["hours"]


def test_a_card_without_a_price_is_not_the_cheapest(plan) -> None:
    bare = replace(RTX, title="Bare", price=None)
    assert rows(plan, [bare, H100])["one person"]["card"] == H100.title
    found = configurations(plan, [bare], GPUS)
    assert found.rows[0]["card"] == "Bare"
    assert "No card has a known price" in found.notes[-1]
    assert len(configurations(plan, [RTX], GPUS).notes) == 1


def test_as_many_cards_as_keep_their_speed(plan) -> None:
    slow = replace(RTX, pcie_gb_per_s=0.05)
    assert worth(plan, slow, GPUS) == 1
    good = [n for n in GPUS if scaling_row(plan, RTX, n, ADVISED)["efficiency"] >= WORTH]
    assert worth(plan, RTX, GPUS) == max(good)
    assert worth(plan, slow, (2, 8)) == 2
    assert rows(plan, [slow], (8,))["small lab"]["gpus"] == 8


def test_advice_is_a_batch_that_fits(plan) -> None:
    memory = plan.stages[0].memory
    small = replace(RTX, memory_gib=memory.reserved_gib("training", "bf16", 256) + 0.01)
    found = rows(plan, [small])["one person"]
    assert found["batch_per_card"] == memory.largest(small, "training", "bf16") < ADVISED


def test_the_first_row_with_the_wanted_values_is_found() -> None:
    answers = {"a": Answer("a", "A", [{"x": 1, "y": 2}, {"x": 1, "y": 3}, {"x": 2, "y": 4}])}
    assert first(answers, "a", x=1) == {"x": 1, "y": 2}
    assert first(answers, "a", x=1, y=3) == {"x": 1, "y": 3}
    assert first(answers, "a", x=9) == first(answers, "b") == {}


def test_figures_that_are_not_known_have_no_row() -> None:
    assert figure("step", {"step_ms": 0}, "step_ms", "ms") == {
        "what": "step", "figure": 0, "unit": "ms"
    }  # fmt: skip
    assert figure("step", {"step_ms": None}, "step_ms") == figure("step", {}, "step_ms") == {}


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(48, (2, "days")), (5, (5, "hours")), (0.5, (30, "minutes")), (0.01, (36, "seconds")),
     (1e-5, (0.036, "seconds"))],
)  # fmt: skip
def test_a_time_is_in_the_unit_that_gives_a_number_above_1(hours, shown) -> None:
    row = duration("training", {"hours": hours}, "hours")
    assert (row["figure"], row["unit"]) == (pytest.approx(shown[0]), shown[1])
    assert duration("training", {}, "hours") == {}


def test_what_is_not_known_is_left_out_of_the_short_table(plan) -> None:
    answers = {"hours": Answer("hours", "", [{"card": RTX.title, "stage": "stage 1", "hours": 3}])}
    found = quick(answers, RTX, plan)
    what = "stage 1: 95,000 samples, 50 epochs"
    assert found.rows == [{"what": what, "figure": 3, "unit": "hours"}]
    assert not quick(answers, H100, plan).rows
