"""What one step on a batch asks of a card: operators, bytes, FLOPs and memory, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pepland_data.batch.arrays import BatchTables
from pepland_model.estimate.corpus import Corpus
from pepland_model.measure.dry_steps import DryRun, Sizes, dry_inferences, dry_steps
from pepland_model.measure.operator_counts import BACKWARD, Counts
from pepland_model.run.config import ModelConfig, OptimConfig

KINDS = ("training", "inference")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
COUNTED = {"fp32": "fp32", "tf32": "fp32", "bf16": "bf16", "fp16": "bf16"}
"""Precision -> the one whose operators and bytes it shares."""
STAGES = {"search": ("masks", "plan"), "forward": ("forward", "loss"), "backward": (BACKWARD,),
          "update": ("optimizer",)}  # fmt: skip
"""Stage of a step -> its parts."""
PLACES = {"weights": "weights", "arrays": "arrays", "tables": "tables", "optimizer": "optimizer",
          "masks": "plan", "plan": "plan", "forward": "kept", "loss": "kept",
          BACKWARD: "working"}  # fmt: skip
"""Part that made a tensor -> what it is when most memory is in use."""


@dataclass(frozen=True)
class Work:
    """What one step asks of a card."""

    stages: dict[str, Counts]
    """Operators, bytes and FLOPs of each of `STAGES`."""
    memory: dict[str, int]
    """Bytes in use at the peak: weights, optimizer, gradients, kept for the backward pass, plan,
    arrays of the batch, tables, working memory."""

    @property
    def peak_bytes(self) -> int:
        """Return the peak of the memory in use."""
        return sum(self.memory.values())

    @property
    def operators(self) -> int:
        """Return the number of operators."""
        return sum(counts.operators for counts in self.stages.values())

    def repeated(self, parts: int) -> Work:
        """Return the work of a step whose passes run once for each of some parts."""
        passes = {name: parts if name != "update" else 1 for name in self.stages}
        return replace(self, stages={name: c * passes[name] for name, c in self.stages.items()})

    @classmethod
    def of(cls, run: DryRun) -> Work:
        """Return the work of a dry run."""
        memory = dict.fromkeys([*PLACES.values(), "gradients"], 0)
        for part, size in run.peak.items():
            memory[PLACES[part]] += size
        if not run.trained:  # there is no backward pass to keep anything for
            memory["working"] += memory["kept"]
            memory["kept"] = 0
        memory["gradients"] = min(sum(run.trained.values()), memory["working"])
        memory["working"] -= memory["gradients"]
        stages = {
            name: sum((run.parts[part] for part in parts), Counts())
            for name, parts in STAGES.items()
        }
        return cls(stages, memory)


class Workload:
    """The work of steps on batches of a corpus, counted when it is first asked for.

    Args:
        corpus: graphs.
        model: sizes of the network, and ``dedup``: "never" computes every row.
        options: of the trainer; its precision is not used.
    """

    def __init__(self, corpus: Corpus, model: ModelConfig, options: OptimConfig) -> None:
        self.corpus, self.model, self.options = corpus, model, options
        self._found: dict[tuple[Any, ...], Work] = {}

    def work(self, kind: str, precision: str, batch: int) -> Work:
        """Return the work of a step.

        Args:
            kind: ``training`` or ``inference``.
            precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
            batch: graphs.
        """
        return self.works(kind, precision, [batch])[0]

    def works(self, kind: str, precision: str, batches: Sequence[int]) -> list[Work]:
        """Return the work of steps of several batch sizes, which are counted together."""
        keys = {batch: (kind, COUNTED[precision], batch) for batch in batches}
        new = [batch for batch, key in keys.items() if key not in self._found]
        if new:
            sizes = [getattr(self.corpus.sizes(batch), kind) for batch in new]
            tables, p = self.corpus.tables, COUNTED[precision]
            found = counted(kind, p, tables, sizes, self.model, self.options)
            self._found |= {keys[batch]: work for batch, work in zip(new, found, strict=True)}
        return [self._found[keys[batch]] for batch in batches]

    def changed(self, dedup: str | None = None, **options: Any) -> Workload:
        """Return the workload of a trainer with other options."""
        model = replace(self.model, dedup=dedup or self.model.dedup)
        return Workload(self.corpus, model, replace(self.options, **options))


def counted(
    kind: str, precision: str, tables: BatchTables, sizes: Sequence[Sizes], model: ModelConfig,
    options: OptimConfig,
) -> list[Work]:  # fmt: skip
    """Return the work of steps on arrays of some sizes."""
    if kind == "inference":
        runs = dry_inferences(tables, sizes, model, COUNTED[precision])
    else:
        precise = replace(options, precision=COUNTED[precision])
        runs = dry_steps(tables, sizes, model, precise)
    return [Work.of(run) for run in runs]
