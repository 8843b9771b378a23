"""Tables of money: the same figures in each, and gaps where a price is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pepland_model.estimate.cards import card
from pepland_model.estimate.costs import COLUMNS, costs
from pepland_model.estimate.money import Prices, run_cost
from pepland_model.estimate.plan import Plan, StagePlan
from pepland_model.estimate.show.tables import as_text

BATCH = 64
RTX, L40S = card("rtx-4090"), card("l40s")
BARE = replace(RTX, name="bare", title="Bare", price=None, price_per_hour=None)


@pytest.fixture(scope="module")
def plan(memory):
    """One stage."""
    return Plan([StagePlan.of("stage 1", memory, 50, 0.05)], "bf16", BATCH, 500, 1, Prices())


def tables(plan, cards):
    return {answer.name: answer for answer in costs(plan, cards)}


def test_every_table_has_the_figures_of_the_same_run(plan) -> None:
    found = tables(plan, [RTX, L40S])
    assert list(found) == list(COLUMNS)
    hours = plan.total_h(RTX, BATCH)
    wanted = run_cost(hours, plan.samples, 1, RTX, Prices())
    rows = {name: answer.rows[0] for name, answer in found.items()}
    assert {row["card"] for row in rows.values()} == {RTX.title}
    assert {row["hours"] for row in rows.values()} == {hours}
    assert rows["electricity"]["energy_kwh"] == wanted.energy_kwh
    assert rows["electricity"]["money"] == wanted.electricity
    assert rows["cloud"]["money"] == wanted.rent == hours * RTX.price_per_hour
    assert rows["buying"]["price"] == RTX.price == wanted.purchase
    assert rows["buying"]["runs_to_pay_off"] == wanted.runs_to_pay_off
    assert rows["price_performance"]["samples_per_rent"] == plan.samples / wanted.rent


def test_a_missing_price_is_a_gap_and_a_sentence(plan) -> None:
    found = tables(plan, [RTX, BARE])
    cloud, buying = found["cloud"], found["buying"]
    assert [row["money"] is None for row in cloud.rows] == [False, True]
    assert [row["runs_to_pay_off"] is None for row in buying.rows] == [False, True]
    assert "No price is known for Bare." in cloud.notes
    assert "--price-per-hour" in cloud.notes[0]
    shown = as_text({"answers": [vars(cloud)]})
    (line,) = [line for line in shown.splitlines() if line.startswith("Bare")]
    assert line.split()[2:] == ["-", "-"]


def test_other_money_has_no_prices_of_the_table(plan) -> None:
    found = tables(replace(plan, prices=Prices("EUR")), [RTX])
    assert found["electricity"].rows[0]["money"] is None
    assert "Give --power-price." in found["electricity"].notes[0]
    assert found["electricity"].rows[0]["energy_kwh"] > 0
    assert found["cloud"].rows[0]["price_per_hour"] is None
    assert found["price_performance"].rows[0]["samples_per_rent"] is None
    given = tables(replace(plan, prices=Prices("EUR", 0.3, 0.5, 1_800)), [RTX, BARE])
    assert "costs 0.3 EUR" in given["electricity"].notes[0]
    for row in given["buying"].rows:
        assert row["price"] == 1_800
        assert row["runs_to_pay_off"] > 0
    assert len(given["cloud"].notes) == 1
