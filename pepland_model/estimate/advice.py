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
    title, batch = card.title, plan.batch
    training = {"kind": "training", "precision": plan.precision, "batch": batch}
    step = first(answers, "step_time", card=title, batch=batch, precision=plan.precision)
    fast = first(answers, "inference_million", card=title)
    rows = [
        entry("parameters trained", first(answers, "parameters", part="all that is trained"),
              "trained"),
        entry(f"MiB of a training step of {batch:,}, all parts",
              first(answers, "memory_parts", **training), "total_mib"),
        entry("largest training batch",
              first(answers, "largest_batch", card=title, kind="training"), plan.precision),
        entry(f"ms of a training step of {batch:,}", step, "step_ms"),
        entry("peptides per second in training", step, "peptides_per_s", "peptides_per_s_low"),
        *(entry(f"hours of {one.stage.name}: {one.stage.samples:,} samples, "
                f"{one.stage.epochs} epochs",
                first(answers, "hours", card=title, stage=one.stage.name), "hours")
          for one in plan.stages),
        entry("hours of all stages with batches of 8,192",
              first(answers, "hours_by_batch", card=title), "hours_8192"),
        entry("speed-up of four cards", first(answers, "scaling", card=title, gpus=4), "speedup"),
        entry(f"minutes for the vectors of a million peptides, batches of {fast.get('batch', 0):,}",
              fast, "minutes"),
        entry("ms for one peptide here, from text, warm",
              first(answers, "one_peptide", **{"from": "SMILES", "state": WARM}), "ms"),
        entry("hours to build the store here",
              first(answers, "preprocessing"), "hours"),
        entry("GB of the store", first(answers, "preprocessing"), "store_gb"),
        entry("kWh of the training", first(answers, "electricity", card=title), "energy_kwh"),
        entry(f"rent of the training, {plan.prices.currency}",
              first(answers, "cloud", card=title), "money"),
        entry("such trainings until buying is cheaper than renting",
              first(answers, "buying", card=title), "runs_to_pay_off"),
    ]  # fmt: skip
    shown = [row for row in rows if row["answer"] is not None]
    notes = (f"{title}, {plan.precision}, batches of {batch:,} where nothing else is said.",)
    return Answer("quick", "In short", shown, notes)


def first(answers: Mapping[str, Answer], name: str, **wanted: Any) -> dict[str, Any]:
    """Return the first row of an answer with these values; {} if there is none."""
    rows = answers[name].rows if name in answers else []
    return next((row for row in rows if all(row.get(k) == v for k, v in wanted.items())), {})


def entry(question: str, row: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return a question with the first of some values that is known."""
    known = [row[key] for key in keys if row.get(key) is not None]
    return {"question": question, "answer": known[0] if known else None}
