"""What a run costs in money: electricity, rented cards, bought cards."""

from __future__ import annotations

from dataclasses import dataclass

from pepland_model.estimate.cards import Card, not_negative, positive, whole

US_DOLLAR = "US$"
"""Currency of the prices of cards."""
POWER_PRICE = 0.1437
"""Price of a kWh in US$: average of commercial customers in the USA, February 2026 (EIA, Electric
Power Monthly, table 5.6.A)."""
HOST_POWER_W = 150.0
"""Power of processor, memory, fans and losses of the host under load. An assumption."""


@dataclass(frozen=True)
class Prices:
    """Prices of a user. A price that is None is that of the table if the currency is US$."""

    currency: str = US_DOLLAR
    power_price: float | None = None
    """Price of a kWh; in US$, None means `POWER_PRICE`."""
    price_per_hour: float | None = None
    """Price of a rented card for an hour."""
    price: float | None = None
    """Price of a bought card."""

    def __post_init__(self) -> None:
        for name in ("power_price", "price_per_hour", "price"):
            if getattr(self, name) is not None:
                not_negative(name, getattr(self, name))

    def of_power(self) -> float | None:
        """Return the price of a kWh; None if it is not known."""
        return self._or_table(self.power_price, POWER_PRICE)

    def of_hour(self, card: Card) -> float | None:
        """Return the price of a card for an hour; None if it is not known."""
        return self._or_table(self.price_per_hour, card.price_per_hour)

    def of_card(self, card: Card) -> float | None:
        """Return the price of a bought card; None if it is not known."""
        return self._or_table(self.price, card.price)

    def _or_table(self, own: float | None, table: float | None) -> float | None:
        if own is not None:
            return own
        return table if self.currency == US_DOLLAR else None


@dataclass(frozen=True)
class RunCost:
    """What a run costs. Money is in the currency of the prices; None means a price is missing."""

    energy_kwh: float
    """Energy of cards and host."""
    electricity: float | None
    """Price of that energy, for one's own cards."""
    rent: float | None
    """Price of the cards by the hour, electricity included."""
    purchase: float | None
    """Price to buy the cards, without the host."""
    runs_to_pay_off: float | None
    """Runs after which bought cards are cheaper than rented ones; None too if they never are."""
    hours_to_pay_off: float | None
    """Hours of those runs."""
    samples_per_rent: float | None
    """Samples for one unit of money on rented cards."""
    samples_per_electricity: float | None
    """Samples for one unit of money on one's own cards, their price left out."""


def run_cost(
    hours: float,
    samples: int,
    gpus: int,
    card: Card,
    prices: Prices | None = None,
    power_w: float | None = None,
    host_power_w: float = HOST_POWER_W,
) -> RunCost:
    """Return what a run costs.

    Args:
        hours: hours of the run.
        samples: samples of the run, each epoch counted.
        gpus: number of cards.
        card: the cards.
        prices: what replaces the prices of the table.
        power_w: power of a card under load; None means its limit.
        host_power_w: power of the host.

    Raises:
        InputError: a number is not allowed.
    """
    prices = prices or Prices()
    watts = card.power_w if power_w is None else power_w
    energy = energy_kwh(hours, watts, gpus, host_power_w)
    electricity = product(energy, prices.of_power())
    rent = product(hours * gpus, prices.of_hour(card))
    purchase = product(gpus, prices.of_card(card))
    runs = runs_to_pay_off(purchase, rent, electricity)
    return RunCost(
        energy, electricity, rent, purchase, runs, None if runs is None else hours * runs,
        samples_per_money(samples, rent), samples_per_money(samples, electricity),
    )  # fmt: skip


def energy_kwh(
    hours: float, power_w: float, gpus: int, host_power_w: float = HOST_POWER_W
) -> float:
    """Return the energy of a run.

    Args:
        hours: hours of the run.
        power_w: power of a card under load.
        gpus: number of cards.
        host_power_w: power of the host.
    """
    cards_w = positive("power_w", power_w) * whole("gpus", gpus, least=1)
    watts = cards_w + not_negative("host_power_w", host_power_w)
    return positive("hours", hours) * watts / 1000


def runs_to_pay_off(
    purchase: float | None, rent: float | None, electricity: float | None
) -> float | None:
    """Return after how many runs bought cards are cheaper than rented ones.

    Args:
        purchase: price of the cards.
        rent: price of a run on rented cards.
        electricity: price of a run on bought cards.

    Returns:
        A number of runs; None if a price is missing, or a rented run is not dearer.
    """
    if purchase is None or rent is None or electricity is None or rent <= electricity:
        return None
    return purchase / (rent - electricity)


def samples_per_money(samples: int, cost: float | None) -> float | None:
    """Return the samples for one unit of money; None if the cost is missing or 0."""
    return whole("samples", samples, least=1) / cost if cost else None


def product(amount: float, price: float | None) -> float | None:
    """Return an amount times its price; None if the price is not known."""
    return None if price is None else amount * price
