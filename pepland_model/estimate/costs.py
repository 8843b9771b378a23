"""What a training costs in money: electricity, rented cards, bought cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pepland_model.estimate.answer import Answer
from pepland_model.estimate.cards import Card
from pepland_model.estimate.money import HOST_POWER_W, run_cost
from pepland_model.estimate.plan import Plan

COLUMNS = {
    "electricity": ("energy_kwh", "money"),
    "cloud": ("price_per_hour", "money"),
    "buying": ("price", "runs_to_pay_off", "hours_to_pay_off"),
    "price_performance": ("samples_per_rent", "samples_per_electricity"),
}
TITLES = {
    "electricity": "Electricity of one's own card",
    "cloud": "A rented card",
    "buying": "Buying or renting",
    "price_performance": "Samples for the money",
}
MONEY = {"electricity": "electricity", "cloud": "rent"}
"""Answer -> the cost that is its money."""


def costs(plan: Plan, cards: Sequence[Card]) -> list[Answer]:
    """Return electricity, rent, purchase, and samples per money, for one card and all stages."""
    found = {card.title: facts(plan, card) for card in cards}
    prices = plan.prices
    power = prices.of_power()
    notes = {
        "electricity": (
            f"The card at its power limit and {HOST_POWER_W:.0f} W of the host, which is assumed. "
            + (f"A kWh costs {power:g} {prices.currency}." if power else "Give --power-price."),
            "An H100 drew 278 to 376 of its 700 W in these steps, so this is a bound.",
        ),
        "cloud": ("Prices age: give yours with --price-per-hour. Sources are in cards.toml.",),
        "buying": (
            "Runs like this one after which a bought card, without its computer, is cheaper than a "
            "rented one: price / (rent - electricity). Give yours with --gpu-price.",
        ),
        "price_performance": (
            "samples_per_rent on a rented card; samples_per_electricity on one's own, its price "
            "left out.",
        ),
    }
    missing = [title for title, fact in found.items() if fact["price_per_hour"] is None]
    if missing:
        notes["cloud"] += (f"No price is known for {', '.join(missing)}.",)
    return [
        Answer(name, TITLES[name], [
            {"card": title, "hours": fact["hours"], **chosen(name, fact)}
            for title, fact in found.items()
        ], notes[name])
        for name in COLUMNS
    ]  # fmt: skip


def facts(plan: Plan, card: Card) -> dict[str, Any]:
    """Return all costs of a training on one card."""
    total_h = plan.total_h(card, plan.batch)
    prices = plan.prices
    return {
        "hours": total_h, "price_per_hour": prices.of_hour(card), "price": prices.of_card(card),
        **asdict(run_cost(total_h, plan.samples, 1, card, prices)),
    }  # fmt: skip


def chosen(name: str, fact: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of an answer."""
    return {key: fact[MONEY[name] if key == "money" else key] for key in COLUMNS[name]}
