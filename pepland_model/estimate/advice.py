"""What follows from an estimate: settings for three kinds of users, and a short table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pepland_model.estimate.answer import Answer
from pepland_model.estimate.cards import Card
from pepland_model.estimate.here.one_peptide import WARM
from pepland_model.estimate.plan import Plan, scaling_row

ADVISED = 2048
"""Graphs per card and step: far enough from the cost of launches, and still many steps."""
WORTH = 0.75
"""Least efficiency at which one more card is worth its money."""


def configurations(plan: Plan, cards: Sequence[Card], gpus: Sequence[int]) -> Answer:
    """Return a setting for one person, for a small lab and for a cluster."""
    cheapest = min(cards, key=lambda card: plan.prices.of_card(card) or float("inf"))
    fastest = min(cards, key=lambda card: plan.total_h(card, advised(plan, card)))
    few = [count for count in gpus if count <= 4] or [min(gpus)]
    rows = [
        configuration("one person", plan, cheapest, min(gpus)),
        configuration("small lab", plan, cheapest, worth(plan, cheapest, few)),
        configuration("cluster", plan, fastest, worth(plan, fastest, gpus)),
    ]
    notes: tuple[str, ...] = (
        f"One person and a small lab: the card that is cheapest to buy, up to four of them. A "
        f"cluster: the fastest card. As many cards as keep {WORTH:.0%} of their speed. Batches of "
        f"{ADVISED:,} for each card, or fewer where they do not fit. More cards make larger "
        "batches and fewer steps: check the loss before you scale out.",
    )
    if plan.prices.of_card(cheapest) is None:
        notes += ("No card has a known price, so the first one stands for the cheapest.",)
    return Answer("configurations", "Settings for one person, a lab, a cluster", rows, notes)


def advised(plan: Plan, card: Card) -> int:
    """Return the graphs per card and step: `ADVISED`, or as many as fit."""
    memory = plan.stages[0].memory
    if memory.fits(card, "training", plan.precision, ADVISED):
        return ADVISED
    return memory.largest(card, "training", plan.precision) or 1


def worth(plan: Plan, card: Card, gpus: Sequence[int]) -> int:
    """Return the largest number of cards that is worth its money."""
    batch = advised(plan, card)
    good = [n for n in gpus if scaling_row(plan, card, n, batch)["efficiency"] >= WORTH]
    return max(good, default=min(gpus))


def configuration(whom: str, plan: Plan, card: Card, gpus: int) -> dict[str, Any]:
    """Return a row of `configurations`."""
    row = scaling_row(plan, card, gpus, advised(plan, card))
    taken = ("gpus", "batch_per_card", "global_batch", "efficiency", "hours", "money")
    return {"for_whom": whom, "card": card.title, "precision": plan.precision,
            **{name: row[name] for name in taken}}  # fmt: skip


def quick(answers: Mapping[str, Answer], card: Card, plan: Plan) -> Answer:
    """Return the short table of one card."""
    title, batch, currency = card.title, plan.batch, plan.prices.currency

    def of(name: str, **wanted: Any) -> dict[str, Any]:
        return first(answers, name, **wanted)

    training = {"kind": "training", "precision": plan.precision, "batch": batch}
    step = of("step_time", card=title, precision=plan.precision, batch=batch)
    by_batch = of("hours_by_batch", card=title)
    largest = next(reversed(by_batch), "hours_0")
    rows = [
        figure("trained parameters", of("parameters", part="all that is trained"), "trained",
               "weights"),
        figure(f"memory for training, batch {batch:,}", of("memory_parts", **training),
               "total_mib", "MiB"),
        figure("largest batch in training", of("largest_batch", card=title, kind="training"),
               plan.precision, "graphs"),
        figure(f"training step, batch {batch:,}", step, "step_ms", "ms"),
        figure("training", step, "peptides_per_s", "peptides per second"),
        figure("training, at least", step, "peptides_per_s_low", "peptides per second"),
        *(duration(f"{one.stage.name}: {one.stage.samples:,} samples, {one.stage.epochs} epochs",
                   of("hours", card=title, stage=one.stage.name), "hours")
          for one in plan.stages),
        duration(f"all stages, batch {int(largest.removeprefix('hours_')):,}", by_batch, largest),
        figure("speed-up of four cards", of("scaling", card=title, gpus=4), "speedup", "times"),
        figure("vectors of a million peptides", of("inference_million", card=title), "seconds",
               "seconds"),
        figure("vector of one new peptide, on this CPU",
               of("one_peptide", state=WARM), "ms", "ms"),
        duration("building the store, on this machine", of("preprocessing"), "hours"),
        figure("store on disk", of("preprocessing"), "store_gb", "GB"),
        figure("energy of all stages", of("electricity", card=title), "energy_kwh", "kWh"),
        figure("rent of a card for all stages", of("cloud", card=title), "money", currency),
        figure("buying pays after", of("buying", card=title), "runs_to_pay_off", "such trainings"),
    ]  # fmt: skip
    notes = (f"{title}, {plan.precision}, batches of {batch:,} where nothing else is said.",)
    return Answer("quick", "In short", [row for row in rows if row], notes)


def first(answers: Mapping[str, Answer], name: str, **wanted: Any) -> dict[str, Any]:
    """Return the first row of an answer with these values; {} if there is none."""
    rows = answers[name].rows if name in answers else []
    return next((row for row in rows if all(row.get(k) == v for k, v in wanted.items())), {})


def figure(what: str, row: Mapping[str, Any], key: str, unit: str = "") -> dict[str, Any]:
    """Return a row of the short table; {} if the figure is not known."""
    value = row.get(key)
    return {} if value is None else {"what": what, "figure": value, "unit": unit}


def duration(what: str, row: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a row with a time, in the unit that gives it a number above 1."""
    hours = row.get(key)
    if hours is None:
        return {}
    units = {"days": hours / 24, "hours": hours, "minutes": 60 * hours, "seconds": 3600 * hours}
    unit = next((unit for unit, value in units.items() if value >= 1), "seconds")
    return {"what": what, "figure": units[unit], "unit": unit}
