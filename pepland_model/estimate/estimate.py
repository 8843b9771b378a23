"""The whole estimate as one document: from stores, cards and prices to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from pepland_data.errors import InputError
from pepland_model.estimate.advice import configurations, quick
from pepland_model.estimate.answer import Answer
from pepland_model.estimate.calibration import SHIPPED, Calibration
from pepland_model.estimate.cards import Card, cards_answer
from pepland_model.estimate.cards import cards as known_cards
from pepland_model.estimate.corpus import Corpus, sample_store
from pepland_model.estimate.costs import costs
from pepland_model.estimate.here.one_peptide import one_peptide_answer
from pepland_model.estimate.here.preprocessing import (
    live_conversion,
    measure_preprocessing,
    preprocessing_answer,
)
from pepland_model.estimate.here.this_cpu import cpu_share
from pepland_model.estimate.memory import (
    Memory,
    largest_batch,
    memory_by_batch,
    memory_parts,
    memory_savers,
)
from pepland_model.estimate.money import Prices
from pepland_model.estimate.parameters import gradient_bytes, parameters
from pepland_model.estimate.plan import (
    Plan,
    StagePlan,
    hours,
    hours_by_batch,
    inference,
    scaling,
)
from pepland_model.estimate.speed import Speeds, step_time, step_work
from pepland_model.estimate.work import PRECISIONS, Workload
from pepland_model.run.config import ModelConfig, OptimConfig, TrainConfig

BATCHES = (64, 512, 1024, 2048, 4096, 8192)
"""Of the memory."""
TIMED = (64, 512, 2048, 8192)
"""Of the speed."""
MOST = 262_144
"""Graphs of the largest batch that may be asked for: its arrays are made on this machine."""
MAIN = "rtx-4090"
"""Card of the short table, if it is among those asked for."""
PUBLISHED = ((1_000_000, 50), (500_000, 25))
"""Samples and epochs of the published training, of stage 1 and of stage 2."""
DEFAULTS = TrainConfig()
Say = Callable[[str], object]


@dataclass(frozen=True)
class Request:
    """What is asked."""

    cards: Sequence[Card]
    gpus: Sequence[int] = (1, 2, 4, 8)
    """Numbers of cards."""
    batches: Sequence[int] = ()
    """Graphs of a step; the first decides the hours. () means those of the trainer and others."""
    precisions: Sequence[str] = ("bf16",)
    """The first decides the hours."""
    samples: Sequence[int] = ()
    """Graphs of stage 1, and of stage 2; () means those of the stores, or as published."""
    epochs: Sequence[int] = ()
    """Of stage 1, and of stage 2; () means as published."""
    eval_every: int = DEFAULTS.run.eval_every
    dedup: str = "auto"
    """``auto``: each distinct state once; ``never``: every row."""
    prices: Prices = field(default_factory=Prices)
    calibration: str = str(SHIPPED)
    """Result of ``bench_gpu``, or ``none``."""

    def __post_init__(self) -> None:
        for name in ("samples", "epochs"):
            if len(getattr(self, name)) > 2:
                raise InputError(f"{name} is {getattr(self, name)}; give one number for each stage")
        if not self.cards:
            raise InputError("no card to estimate for; give one")
        if max(self.batches, default=1) > MOST:
            raise InputError(
                f"a batch of {max(self.batches):,} is not estimated; at most {MOST:,} is"
            )

    @property
    def main(self) -> Card:
        """The card of the short table."""
        return next((card for card in self.cards if card.name == MAIN), self.cards[0])

    @property
    def batch(self) -> int:
        """Graphs of the step that decides the hours."""
        return self.batches[0] if self.batches else DEFAULTS.data.batch_size


def estimate(
    request: Request, stores: Sequence[str] = (), stage2: Sequence[str] = (),
    say: Say = lambda line: None,
) -> dict[str, Any]:  # fmt: skip
    """Return all answers.

    Args:
        request: what is asked.
        stores: of stage 1; none means the bundled sample for both stages, for which RDKit is
            needed.
        stage2: stores of stage 2; without them there is one stage.
        say: called with what is being done.

    Raises:
        InputError: a store holds no graphs, there are numbers for a stage without stores, the
            calibration is none, or a batch fits no card.
    """
    with stage_stores(stores, stage2, say) as found, unchanged_settings():
        return Estimate(request, found, bool(stores), say).document()


@contextmanager
def unchanged_settings() -> Iterator[None]:
    """Leave the random numbers and the precision of PyTorch as they were."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        matmul.allow_tf32 = before


@contextmanager
def stage_stores(
    stores: Sequence[str], stage2: Sequence[str], say: Say
) -> Iterator[list[Sequence[str]]]:
    """Yield the stores of each stage; the sample is built in a temporary folder."""
    if stage2 and not stores:
        raise InputError("stage 2 has a store and stage 1 has none; give that of stage 1 too")
    if stores:
        yield [stores, stage2] if stage2 else [stores]
        return
    with TemporaryDirectory() as folder:
        say("building a store of the bundled sample")
        sample = [sample_store(Path(folder))]
        yield [sample, sample]


class Estimate:
    """The answers to a request.

    Args:
        request: what is asked.
        stores: stores of each stage.
        is_given: whether the stores of stage 1 are the user's.
        say: called with what is being done.
    """

    def __init__(
        self, request: Request, stores: Sequence[Sequence[str]], is_given: bool, say: Say
    ) -> None:
        self.request, self.say, self.is_given = request, say, is_given
        self.model = ModelConfig(dedup=request.dedup)
        for name in ("samples", "epochs"):
            if len(getattr(request, name)) > len(stores):
                raise InputError(
                    f"{name} is {getattr(request, name)}, and stage 2 has no store; give --stage2"
                )
        corpora = {paths: Corpus(paths, self.model) for paths in dict.fromkeys(map(tuple, stores))}
        self.corpora = [corpora[tuple(paths)] for paths in stores]
        self.calibration = self._calibration()
        speeds = {
            id(corpus): Speeds(Workload(corpus, self.model, OptimConfig()), self.calibration)
            for corpus in corpora.values()
        }
        self.memories = [
            Memory(speeds[id(corpus)], self._samples(number))
            for number, corpus in enumerate(self.corpora)
        ]
        self.parameters = parameters(self.corpora[0], self.model)
        self.plan = self._plan()

    def _calibration(self) -> Calibration | float:
        if self.request.calibration == "none":
            self.say("measuring the share of its limits that this machine reaches")
            return cpu_share(self.corpora[0])
        known = known_cards() | {card.name: card for card in self.request.cards}
        return Calibration.read(self.request.calibration, known, self.corpora[0])

    def _samples(self, stage: int) -> int:
        if stage < len(self.request.samples):
            return self.request.samples[stage]
        return self.corpora[stage].graphs if self.is_given else PUBLISHED[stage][0]

    def _plan(self) -> Plan:
        given = self.request.epochs
        stages = [
            StagePlan.of(
                f"stage {number + 1}", memory,
                given[number] if number < len(given) else PUBLISHED[number][1],
                DEFAULTS.data.valid_fraction,
            )
            for number, memory in enumerate(self.memories)
        ]  # fmt: skip
        gradients = gradient_bytes(self.corpora[0], self.model)
        r = self.request
        return Plan(stages, r.precisions[0], r.batch, r.eval_every, gradients, r.prices)

    def document(self) -> dict[str, Any]:
        """Return the answers, those that matter most first."""
        found = {answer.name: answer for answer in self.answers()}
        short = quick(found, self.request.main, self.plan)
        order = [short, *found.values()]
        return {"about": self.about(), "answers": [asdict(answer) for answer in order]}

    def about(self) -> dict[str, Any]:
        """Return what the answers are about."""
        corpus, c = self.corpora[0], self.calibration
        measured = "none" if isinstance(c, float) else f"measured on {c.about}"
        names = [corpus.name if self.is_given else "bundled sample"]
        names += [other.name for other in self.corpora[1:] if other is not corpus]
        return {
            "store": ", then ".join(names),
            "graphs": sum(corpus.graphs for corpus in dict.fromkeys(self.corpora)),
            "mean_atoms": round(corpus.mean("atom"), 1),
            "mean_fragments": round(corpus.mean("fragment"), 1),
            "states": "every row" if self.request.dedup == "never" else "each once",
            "calibration": measured,
            "currency": self.request.prices.currency,
            "date": date.today().isoformat(),
        }

    def answers(self) -> Iterator[Answer]:
        """Yield all answers but the short table."""
        r, memory, plan = self.request, self.memories[0], self.plan
        speeds, cards = memory.speeds, list(r.cards)
        batches, timed = r.batches or BATCHES, r.batches or TIMED
        self.say("counting the work and the memory of steps")
        for one in self.memories:
            one.count([*batches, *timed, r.batch])
        self._check_batch(memory, cards)
        yield cards_answer(cards)
        yield self.parameters
        yield memory_parts(memory, PRECISIONS, r.batch)
        yield memory_by_batch(memory, batches)
        yield largest_batch(memory, cards)
        yield memory_savers(memory, r.main, plan.precision, r.batch)
        yield step_work(speeds.work, r.precisions, r.batch)
        yield step_time(speeds, cards, r.precisions, timed)
        yield step_time(speeds, [r.main], PRECISIONS, [r.batch], "step_precision")
        yield hours(plan, cards)
        yield hours_by_batch(plan, cards, timed)
        yield scaling(plan, cards, r.gpus, [r.batch])
        yield inference(memory, cards, plan.precision, timed[-1:])
        yield from costs(plan, cards)
        yield configurations(plan, cards, r.gpus)
        yield from self._measured_here(cards)

    def _check_batch(self, memory: Memory, cards: Sequence[Card]) -> None:
        batch, precision = self.request.batch, self.plan.precision
        if any(memory.fits(card, "training", precision, batch) for card in cards):
            return
        most = max(memory.largest(card, "training", precision) for card in cards)
        raise InputError(
            f"a batch of {batch:,} fits none of these cards; give --batch-size {most} or less"
            if most
            else "not even a batch of 1 fits these cards; give one with more memory"
        )

    def _measured_here(self, cards: Sequence[Card]) -> Iterator[Answer]:
        self.say("measuring conversion and single peptides on this machine")
        yield one_peptide_answer()
        figures = measure_preprocessing(str(self.corpora[0].stores[0].path))
        figures["of_store"] = self.about()["store"]
        yield preprocessing_answer(figures, [memory.samples for memory in self.memories])
        one, batch = self.plan.stages[0], self.plan.batch
        steps = {card.title: self.plan.step(one, card, batch, 1).step_s for card in cards}
        yield live_conversion(figures, steps, batch)
