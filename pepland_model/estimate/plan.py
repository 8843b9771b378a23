"""How long a training of one or two stages takes, on one card and on several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pepland_model.estimate.answer import Answer
from pepland_model.estimate.cards import Card
from pepland_model.estimate.hours import Stage, StageHours, evaluated, held_out, stage_hours
from pepland_model.estimate.memory import Memory
from pepland_model.estimate.money import Prices, run_cost
from pepland_model.estimate.scaling import Scaled, scaled
from pepland_model.estimate.work import KINDS


@dataclass(frozen=True)
class StagePlan:
    """A stage, and the graphs that it is trained on."""

    stage: Stage
    memory: Memory
    held_out: int
    """Graphs of each evaluation."""

    @classmethod
    def of(cls, name: str, memory: Memory, epochs: int, valid_fraction: float) -> StagePlan:
        """Return the plan of a stage of which a share of the graphs is held out."""
        out = held_out(memory.samples, valid_fraction)
        return cls(Stage(name, memory.samples - out, epochs), memory, out)


@dataclass(frozen=True)
class Plan:
    """A training: one stage or two."""

    stages: Sequence[StagePlan]
    precision: str
    batch: int
    """Graphs of a step, over all cards."""
    eval_every: int
    """Steps between evaluations."""
    gradient_bytes: int
    """Bytes that cards sum in each step."""
    prices: Prices

    @property
    def samples(self) -> int:
        """Graphs trained on, each epoch counted."""
        return sum(one.stage.samples * one.stage.epochs for one in self.stages)

    def hours(self, card: Card, batch: int, gpus: int = 1) -> list[StageHours]:
        """Return the hours of each stage.

        Args:
            card: the cards.
            batch: graphs of a step, over all cards.
            gpus: number of cards.
        """
        return [self._stage(one, card, batch, gpus) for one in self.stages]

    def total_h(self, card: Card, batch: int, gpus: int = 1) -> float:
        """Return the hours of all stages."""
        return sum(stage.hours for stage in self.hours(card, batch, gpus))

    def step(self, one: StagePlan, card: Card, batch: int, gpus: int) -> Scaled:
        """Return a step of a stage on several cards."""
        speed = one.memory.speeds.of("training", card, self.precision, -(-batch // gpus))
        return scaled(speed.cautious_s, self.gradient_bytes, gpus, card)

    def _stage(self, one: StagePlan, card: Card, batch: int, gpus: int) -> StageHours:
        share = -(-batch // gpus)
        speed = one.memory.speeds.of("training", card, self.precision, share)
        stages = speed.times.stages
        part = (stages["search"] + stages["forward"]) / speed.times.step_s
        per_s = gpus * share / (speed.cautious_s * part)
        step_s = self.step(one, card, batch, gpus).step_s
        graphs = evaluated(one.held_out, batch)
        return stage_hours(one.stage, batch, step_s, self.eval_every, graphs, per_s)


def hours(plan: Plan, cards: Sequence[Card]) -> Answer:
    """Return steps, evaluations and hours of each stage on one card."""
    rows = []
    for card in cards:
        found = plan.hours(card, plan.batch)
        for one, stage in zip(plan.stages, found, strict=True):
            rows.append({
                "card": card.title, "stage": one.stage.name, "samples": one.stage.samples,
                "epochs": one.stage.epochs, "batch": plan.batch, "steps": stage.steps,
                "evaluations": stage.evaluations, "evaluation_h": stage.evaluation_h,
                "hours": stage.hours,
            })  # fmt: skip
    out = ", ".join(f"{one.held_out:,} in {one.stage.name}" for one in plan.stages)
    notes = (
        f"Steps of {plan.batch:,} graphs in {plan.precision}; an evaluation every "
        f"{plan.eval_every:,} steps, on the graphs held out ({out}), at the speed of the forward "
        "pass. Samples are those trained on. Starting, checkpoints and the first evaluation of "
        "frequencies are left out.",
    )
    return Answer("hours", "Hours of training", rows, notes)


def hours_by_batch(plan: Plan, cards: Sequence[Card], batches: Sequence[int]) -> Answer:
    """Return the hours of all stages for each batch size."""
    rows = [
        {"card": card.title, **{f"hours_{b}": plan.total_h(card, b) for b in batches}}
        for card in cards
    ]
    notes = (
        "All stages on one card. A larger batch has more equal states and fewer launches for each "
        "peptide, and takes fewer steps: choose the learning rate anew.",
    )
    return Answer("hours_by_batch", "Hours of training by batch", rows, notes)


def scaling(
    plan: Plan, cards: Sequence[Card], gpus: Sequence[int], batches: Sequence[int]
) -> Answer:
    """Return speed, hours and money of several cards; each has the batch of one card."""
    rows = [
        scaling_row(plan, card, count, batch)
        for card in cards for batch in batches for count in gpus
    ]  # fmt: skip
    notes = (
        f"After each backward pass the cards sum {plan.gradient_bytes / 1e6:.1f} MB of gradients "
        "in one all-reduce, without overlap. Bandwidths are the low end of what was measured on "
        "such links (pepland_model/estimate/scaling.py); nothing here was measured with this "
        "program on several cards.",
        "money is the rent of all cards for all stages.",
    )
    return Answer("scaling", "Several cards", rows, notes)


def scaling_row(plan: Plan, card: Card, gpus: int, batch: int) -> dict[str, Any]:
    """Return a row of `scaling`.

    Args:
        plan: the training.
        card: the cards.
        gpus: their number.
        batch: graphs of a step on each card.
    """
    step = plan.step(plan.stages[0], card, batch * gpus, gpus)
    total_h = plan.total_h(card, batch * gpus, gpus)
    rent = run_cost(total_h, plan.samples, gpus, card, plan.prices).rent
    return {
        "card": card.title, "gpus": gpus, "batch_per_card": batch, "global_batch": batch * gpus,
        "all_reduce_ms": 1e3 * step.all_reduce_s, "step_ms": 1e3 * step.step_s,
        "peptides_per_s": batch * gpus / step.step_s, "speedup": step.speedup,
        "efficiency": step.efficiency, "hours": total_h, "money": rent,
    }  # fmt: skip


def inference(
    memory: Memory, cards: Sequence[Card], precision: str, batches: Sequence[int]
) -> Answer:
    """Return the speed of computing vectors, and its memory."""
    rows = []
    for card in cards:
        for batch in batches:
            speed = memory.speeds.of("inference", card, precision, batch)
            per_s = batch / speed.cautious_s
            rows.append({
                "card": card.title, "precision": precision, "batch": batch,
                "peptides_per_s": per_s, "seconds": 1e6 / per_s,
                "gib": memory.used_gib(KINDS[1], precision, batch), "limit": speed.limit,
            })  # fmt: skip
    notes = (
        "Vectors of peptides from a store; seconds are for a million of them. Writing the vectors "
        "is not in it.",
    )
    return Answer("inference_million", "Vectors of a million peptides", rows, notes)
