"""How fast steps run on a card: its own time, the loader and the link; the slowest decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pepland_model.estimate.answer import Answer
from pepland_model.estimate.calibration import Calibration, Times, bound_times, step_times
from pepland_model.estimate.cards import Card
from pepland_model.estimate.work import Workload

LOADER_GRAPHS_PER_S = 490_000
"""Graphs per second that the loader makes on the device of an H100, without a step beside it
(2026-11-26, batches of 512)."""
EAGER_US = 55.0
"""Microseconds of the host for each operator where a step is not recorded: steps of 64 graphs with
996 to 1,276 operators took 57 to 69 ms on an H100, whatever their work (2026-11-26)."""


TITLES = {"step_time": "Training step", "step_precision": "Training step by precision"}
"""Answer -> heading."""


@dataclass(frozen=True)
class Speed:
    """How fast steps of one kind run on a card."""

    times: Times
    """Of the card."""
    batch: int
    step_s: float
    """Seconds of a step, with what it waits for."""
    limit: str
    """What bounds it: launches, bandwidth, matrix products, host, loader or link."""
    low: float | None = None
    """Peptides per second at the share of the limits that this machine reaches, where nothing was
    measured on a card; `step_s` is then that of the limits themselves."""

    @property
    def per_s(self) -> float:
        """Return peptides per second; where nothing was measured, at most."""
        return self.batch / self.step_s

    @property
    def cautious_s(self) -> float:
        """Return seconds of a step; where nothing was measured, those of the low end."""
        return self.step_s if self.low is None else self.batch / self.low


class Speeds:
    """Speeds of a workload on any card.

    Args:
        work: the workload.
        calibration: a card that was measured, or the share of its limits that the CPU of this
            machine reaches.
        loader_graphs_per_s: of the loader.
    """

    def __init__(
        self, work: Workload, calibration: Calibration | float,
        loader_graphs_per_s: float = LOADER_GRAPHS_PER_S,
    ) -> None:  # fmt: skip
        self.work, self.calibration = work, calibration
        self.loader_graphs_per_s = loader_graphs_per_s

    def of(self, kind: str, card: Card, precision: str, batch: int, parts: int = 1) -> Speed:
        """Return how fast steps run.

        Args:
            kind: ``training`` or ``inference``.
            card: the card.
            precision: one of `pepland_model.estimate.work.PRECISIONS`.
            batch: graphs of a step.
            parts: parts of the batch, whose gradients are accumulated.
        """
        work = self.work.work(kind, precision, batch // parts).repeated(parts)
        if isinstance(self.calibration, float):
            times = bound_times(work, card, precision)
            low = batch * self.calibration / times.step_s
        else:
            shares, measured = self.calibration.shares[kind], self.calibration.card
            times, low = step_times(work, card, precision, shares, measured), None
        waits = {
            times.limit: times.step_s,
            "loader": batch / self.loader_graphs_per_s,
            "link": self.work.corpus.sizes(batch).bytes / (1e9 * card.pcie_gb_per_s),
        }
        if not self.is_recorded:
            waits["host"] = work.operators * EAGER_US * 1e-6
        limit = max(waits, key=waits.__getitem__)
        return Speed(times, batch, waits[limit], limit, low and min(low, batch / waits[limit]))

    @property
    def is_recorded(self) -> bool:
        """Whether the steps are CUDA graphs."""
        return self.work.model.dedup != "never"

    def basis(self, card: Card) -> str:
        """Return where the speeds of a card come from."""
        if isinstance(self.calibration, float):
            return "not measured"
        if card == self.calibration.card:
            return f"measured on {self.calibration.about}"
        return f"from the {self.calibration.card.title} by bandwidth and launches"


def step_time(
    speeds: Speeds, cards: Sequence[Card], precisions: Sequence[str], batches: Sequence[int],
    name: str = "step_time",
) -> Answer:  # fmt: skip
    """Return the time of training steps on each card."""
    rows = [
        step_row(speeds, card, precision, batch)
        for precision in precisions for card in cards for batch in batches
    ]  # fmt: skip
    notes = [
        "search_ms holds masks and the search for equal states, forward_ms the loss, update_ms "
        "clipping and Adam.",
        "limit is what most of the time is spent on: launches of kernels, bandwidth of the memory, "
        "matrix products; or the host, the loader or the PCIe link, where one of them is slower.",
    ]
    if isinstance(speeds.calibration, float):
        notes.append(
            "Not measured on a card: peptides_per_s_high is the bound of the card's data sheet, "
            f"_low the {speeds.calibration:.0%} of it that this machine's CPU reaches of its own."
        )
    return Answer(name, TITLES[name], rows, tuple(notes))


def step_row(speeds: Speeds, card: Card, precision: str, batch: int) -> dict[str, Any]:
    """Return one row of `step_time`."""
    speed = speeds.of("training", card, precision, batch)
    stages, ms = speed.times.stages, 1e3 * speed.step_s
    row: dict[str, Any] = {"card": card.title, "precision": precision, "batch": batch}
    if speed.low is None:
        row |= {f"{name}_ms": 1e3 * seconds for name, seconds in stages.items()}
        row |= {"step_ms": ms, "peptides_per_s": speed.per_s}
    else:
        row |= {"peptides_per_s_low": speed.low, "peptides_per_s_high": speed.per_s}
    return row | {"limit": speed.limit, "basis": speeds.basis(card)}


def step_work(work: Workload, precisions: Sequence[str], batch: int) -> Answer:
    """Return what a training step moves and computes, by stage."""
    rows = []
    for precision in precisions:
        stages = work.work("training", precision, batch).stages
        rows += [
            {"precision": precision, "stage": name, "batch": batch, "operators": c.operators,
             "gflop": c.flops / 1e9, "gb": c.bytes / 1e9,
             "peptide_gflop": c.flops / 1e9 / batch, "peptide_mb": c.bytes / 1e6 / batch}
            for name, c in stages.items()
        ]  # fmt: skip
    notes = ("Counted, the same on every card. FLOPs are those of matrix products.",)
    return Answer("step_work", "What a step computes and moves", rows, notes)
