"""How much memory of a card a step needs, and the largest batch that fits."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from pepland_model.estimate.answer import Answer
from pepland_model.estimate.calibration import Calibration
from pepland_model.estimate.cards import Card
from pepland_model.estimate.speed import EAGER_US, Speeds
from pepland_model.estimate.work import COUNTED, KINDS, PRECISIONS, Workload
from pepland_model.network.fixed_program import IN_FLIGHT

CONTEXT_GIB = 0.5
"""Memory that CUDA and its libraries take for themselves. An assumption."""
EAGER_RESERVED = 1.2
"""Bytes reserved for each byte in use where a step is not recorded: an H100, every row, 512 graphs,
bf16 (2026-11-27)."""
RESERVED = 2.9
"""The same where it is recorded, if no card was measured: that of the H100."""
RESERVE = 0.5
"""Share of the free memory that the loader leaves to training (`loader/tiers/choice.py`)."""
LARGEST = 32_768
"""Graphs of the largest batch that is tried."""
MIB, GIB = 2**20, 2**30


class Memory:
    """Memory of a workload.

    Args:
        speeds: of the workload.
        samples: graphs of the corpus, which is kept on the device if it fits.
    """

    def __init__(self, speeds: Speeds, samples: int) -> None:
        self.speeds, self.work, self.samples = speeds, speeds.work, samples
        self.corpus_bytes = samples * self.work.corpus.coded_bytes_per_graph

    def count(self, batches: Sequence[int]) -> None:
        """Count the steps of several batch sizes, and of the largest one, at once."""
        sizes = sorted({*batches, LARGEST})
        for kind in KINDS:
            for precision in dict.fromkeys(COUNTED.values()):
                self.work.works(kind, precision, sizes)

    def of(self, work: Workload) -> Memory:
        """Return the memory of another workload."""
        return Memory(Speeds(work, self.speeds.calibration), self.samples)

    def parts(self, kind: str, precision: str, batch: int) -> dict[str, float]:
        """Return the bytes of each part, without the corpus.

        Beside what the step itself uses, the loader has some batches ready.
        """
        found: dict[str, float] = dict(self.work.work(kind, precision, batch).memory)
        found["arrays"] += (IN_FLIGHT + 1) * self.work.corpus.sizes(batch).bytes
        found["slack"] = (self.reserved - 1) * sum(found.values())
        return found

    @property
    def reserved(self) -> float:
        """Bytes that the allocator reserves for each byte in use."""
        if not self.speeds.is_recorded:
            return EAGER_RESERVED
        found = self.speeds.calibration
        return found.reserved if isinstance(found, Calibration) else RESERVED

    def used_gib(self, kind: str, precision: str, batch: int) -> float:
        """Return the memory in use at the peak, without slack and corpus."""
        parts = self.parts(kind, precision, batch)
        return (sum(parts.values()) - parts["slack"]) / GIB

    def reserved_gib(self, kind: str, precision: str, batch: int) -> float:
        """Return the memory that a card must have: with slack and CUDA, without the corpus."""
        return sum(self.parts(kind, precision, batch).values()) / GIB + CONTEXT_GIB

    def largest(self, card: Card, kind: str, precision: str) -> int:
        """Return the largest batch, a power of two, that fits a card; 0 if none does."""
        if self.fits(card, kind, precision, LARGEST):
            return LARGEST
        powers = [2**n for n in range(LARGEST.bit_length())]
        count = bisect_left(
            powers, True, key=lambda batch: not self.fits(card, kind, precision, batch)
        )
        return powers[count - 1] if count else 0

    def fits(self, card: Card, kind: str, precision: str, batch: int) -> bool:
        """Return whether a batch fits a card, without the corpus."""
        return self.reserved_gib(kind, precision, batch) <= card.memory_gib

    def tier(self, card: Card) -> str:
        """Return where the corpus is kept: on the device if it fits, else on the host."""
        free = card.memory_gib - CONTEXT_GIB
        return "device" if self.corpus_bytes / GIB <= (1 - RESERVE) * free else "host"


def memory_parts(memory: Memory, precisions: Sequence[str], batch: int) -> Answer:
    """Return the memory of one batch, part by part."""
    rows = []
    for kind in KINDS:
        for precision in precisions:
            parts = memory.parts(kind, precision, batch)
            row: dict[str, Any] = {"kind": kind, "precision": precision, "batch": batch}
            row |= {f"{name}_mib": size / MIB for name, size in parts.items()}
            row["corpus_mib"] = memory.corpus_bytes / MIB
            total = sum(parts.values()) + memory.corpus_bytes + CONTEXT_GIB * GIB
            row["total_mib"] = total / MIB
            rows.append(row)
    notes = (
        "Counted on fake tensors of the sizes of a real batch, at the moment when most is in use; "
        "not a sum of peaks. kept is what the forward pass keeps for the backward pass; plan is "
        "the search for equal states; arrays are the batch and the next ones.",
        "slack is what the allocator of PyTorch reserves and does not use: "
        f"{memory.reserved:.2f} times the memory in use where a step is "
        "recorded. It gives some of it back where memory runs out. corpus is that of all samples, "
        f"kept on the device if it fits. total also holds {CONTEXT_GIB} GiB for CUDA itself, which "
        "is assumed.",
    )
    return Answer("memory_parts", f"Memory of a batch of {batch:,}", rows, notes)


def memory_by_batch(memory: Memory, batches: Sequence[int]) -> Answer:
    """Return the memory in use by batch and precision."""
    rows = [
        {"kind": kind, "batch": batch,
         **{f"{p}_gib": memory.used_gib(kind, p, batch) for p in PRECISIONS}}
        for kind in KINDS for batch in batches
    ]  # fmt: skip
    corpus = memory.work.corpus
    larger = [batch for batch in batches if not corpus.is_searched(batch)]
    notes = ["Memory in use at the peak, without slack, corpus and CUDA itself."]
    if larger:
        notes.append(
            f"The corpus has {corpus.graphs:,} graphs: batches of {larger[0]:,} and more are "
            "extrapolated from how the number of distinct states grows."
        )
    return Answer("memory_by_batch", "Memory by batch and precision", rows, tuple(notes))


def largest_batch(memory: Memory, cards: Sequence[Card]) -> Answer:
    """Return the largest batch that fits each card, with slack."""
    rows = [
        {"card": card.title, "memory_gib": card.memory_gib, "kind": kind,
         **{p: memory.largest(card, kind, p) for p in PRECISIONS}, "corpus_on": memory.tier(card)}
        for card in cards for kind in KINDS
    ]  # fmt: skip
    notes = (
        f"Powers of two, slack included; {LARGEST:,} is the largest tried. A corpus that is "
        "kept on the device takes memory too; the loader then leaves half of the card to training.",
    )
    return Answer("largest_batch", "Largest batch", rows, notes)


def memory_savers(memory: Memory, card: Card, precision: str, batch: int) -> Answer:
    """Return what else a step can do to need less memory, and what it costs in time."""
    work = memory.work
    changes = {
        "as it is": (work, 1),
        "--activation-checkpointing": (work.changed(activation_checkpointing=True), 1),
        "--accumulate 8": (work, 8),
        "--dedup never": (work.changed(dedup="never"), 1),
    }
    rows: list[dict[str, Any]] = []
    for what, (changed, parts) in changes.items():
        if batch < parts:
            continue
        other = memory.of(changed)
        step_s = other.speeds.of("training", card, precision, batch, parts).cautious_s
        gib = other.used_gib("training", precision, batch // parts)
        rows.append({"what": what, "precision": precision, "batch": batch, "gib": gib,
                     "step_ms": 1e3 * step_s})  # fmt: skip
    for row in rows:
        row["step_time_factor"] = row["step_ms"] / rows[0]["step_ms"]
    notes = (
        f"Memory in use; times of a {card.title}.",
        "--dedup never computes every row, as the published code does. Its steps are not recorded: "
        f"the host starts each operator, which takes it {EAGER_US:.0f} us.",
    )
    return Answer("memory_savers", "What saves memory", rows, notes)
