"""Electricity, rent and purchase."""

from __future__ import annotations

import pytest

from pepland_data.errors import InputError
from pepland_model.estimate.cards import card
from pepland_model.estimate.money import (
    POWER_PRICE,
    Prices,
    energy_kwh,
    run_cost,
    runs_to_pay_off,
    samples_per_money,
)


def test_energy_is_hours_times_the_power_of_cards_and_host() -> None:
    """10 h x (2 x 400 W + 200 W) = 10 kWh."""
    assert energy_kwh(10, 400, 2, 200) == pytest.approx(10)
    assert energy_kwh(10, 400, 2, 0) == pytest.approx(8)


def test_a_bought_card_pays_off_as_in_the_published_estimate() -> None:
    assert runs_to_pay_off(15_000, 35, 5) == 500


def test_the_published_example_comes_out_of_prices() -> None:
    """CNY: 10 h at 3.5 an hour; 10 h x 500 W at 1 a kWh; a card of 15,000."""
    prices = Prices("CNY", power_price=1, price_per_hour=3.5, price=15_000)
    found = run_cost(10, 50_000_000, 1, card("rtx-4090"), prices, power_w=450, host_power_w=50)
    assert (found.energy_kwh, found.electricity, found.rent) == pytest.approx((5, 5, 35))
    assert found.runs_to_pay_off == pytest.approx(500)
    assert found.hours_to_pay_off == pytest.approx(5000)


def test_prices_of_the_table_are_used_in_dollars() -> None:
    """RTX 4090: US$ 0.60 an hour and 1,599; two cards of 450 W and a host of 100 W for 10 h."""
    found = run_cost(10, 6_000_000, 2, card("rtx-4090"), host_power_w=100)
    assert found.energy_kwh == pytest.approx(10)
    assert found.electricity == pytest.approx(10 * POWER_PRICE)
    assert found.rent == pytest.approx(12)
    assert found.purchase == 3198
    assert found.runs_to_pay_off == pytest.approx(3198 / (12 - 10 * POWER_PRICE))
    assert found.samples_per_rent == pytest.approx(500_000)
    assert found.samples_per_electricity == pytest.approx(6_000_000 / (10 * POWER_PRICE))


def test_a_missing_price_gives_none() -> None:
    found = run_cost(10, 1000, 1, card("a100-40"))
    assert found.electricity is not None
    assert (found.rent, found.purchase, found.runs_to_pay_off) == (None, None, None)
    assert (found.hours_to_pay_off, found.samples_per_rent) == (None, None)


def test_prices_of_the_table_are_not_taken_for_another_currency() -> None:
    found = run_cost(10, 1000, 1, card("rtx-4090"), Prices("CNY", price_per_hour=3))
    assert found.rent == 30
    assert (found.electricity, found.purchase, found.runs_to_pay_off) == (None, None, None)


def test_an_own_price_replaces_that_of_the_table() -> None:
    found = run_cost(10, 1000, 1, card("h200"), Prices(price_per_hour=2.5, price=20_000))
    assert (found.rent, found.purchase) == (25, 20_000)


@pytest.mark.parametrize(
    ("purchase", "rent", "electricity"),
    [(15_000, 5, 5), (15_000, 4, 5), (None, 35, 5), (15_000, None, 5), (15_000, 35, None)],
)
def test_there_is_no_number_of_runs_if_renting_is_never_dearer(purchase, rent, electricity) -> None:
    assert runs_to_pay_off(purchase, rent, electricity) is None


def test_samples_per_money_need_a_cost() -> None:
    assert samples_per_money(1000, 4) == 250
    assert samples_per_money(1000, None) is None
    assert samples_per_money(1000, 0) is None


def test_free_electricity_is_a_price() -> None:
    found = run_cost(10, 1000, 1, card("rtx-4090"), Prices(power_price=0))
    assert found.electricity == 0
    assert found.runs_to_pay_off == pytest.approx(1599 / 6)


@pytest.mark.parametrize("name", ["power_price", "price_per_hour", "price"])
@pytest.mark.parametrize("value", [-1, "cheap", float("nan"), True])
def test_a_wrong_price_is_named(name, value) -> None:
    with pytest.raises(InputError, match=f"{name} is"):
        Prices(**{name: value})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hours": 0}, "hours is 0"),
        ({"hours": "long"}, "hours is 'long'"),
        ({"gpus": 0}, "gpus is 0"),
        ({"samples": -1}, "samples is -1"),
        ({"power_w": -300}, "power_w is -300"),
        ({"host_power_w": -1}, "host_power_w is -1"),
    ],
)
def test_wrong_numbers_are_named(changed, message) -> None:
    given = {"hours": 10, "samples": 1000, "gpus": 1, "card": card("rtx-4090")}
    with pytest.raises(InputError, match=message):
        run_cost(**given | changed)
