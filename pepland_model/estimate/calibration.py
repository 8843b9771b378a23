"""What a card reaches of its limits, from a measurement of one: a result of ``bench_gpu``.

A step of K operators that move M bytes and compute F FLOPs in products takes

    K launch  +  M / (b B)  +  F / (p P)

on a card of bandwidth B and peak P. Each operator costs its launch, and bytes and products reach
the shares b and p. These are fitted to steps of one batch size (`FITTED`); the other sizes of the
measurement test them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pepland_data.errors import InputError
from pepland_model.estimate.cards import Card
from pepland_model.estimate.corpus import Corpus
from pepland_model.estimate.work import COUNTED, KINDS, Work, counted
from pepland_model.measure.operator_counts import Counts
from pepland_model.run.config import ModelConfig, OptimConfig

SHIPPED = Path(__file__).with_name("h100.json")
"""A measurement of the product on an H100."""
FITTED = 2048
"""Batch size of the steps that the shares are fitted to."""
EXPECTED = {"launch_us": 3.0, "bandwidth": 0.6, "fp32": 0.51, "tf32": 0.165, "bf16": 0.087}
"""What the fit stays near where the measurement does not decide. Shares of products are those of
65,536 x 300 by 300 x 300 on an H100 (docs/resources.md)."""
WEIGHT = 0.01
"""Of the squared relative distance from `EXPECTED`, against that of the times."""
LARGE_PRODUCTS = 0.7
"""Share of its peak that any card reaches in large matrix products. The H100 reaches 0.76 (fp32),
0.73 (tf32) and 0.68 (bf16) at 8,192 x 8,192 x 8,192, an A100 0.74 (docs/resources.md)."""


@dataclass(frozen=True)
class Shares:
    """What steps of one kind reach on the card that was measured."""

    launch_us: float
    """Microseconds that each operator costs beside its work."""
    bandwidth: float
    """Share of the card's bandwidth."""
    products: dict[str, float]
    """Precision -> share of the card's peak that products of this network reach."""

    def on(self, card: Card, measured: Card) -> tuple[float, dict[str, float]]:
        """Return bytes per second, and precision -> FLOP per second, of a card.

        Products of width 300 are bound by the processors, not by the peak. So a card is given the
        rate of the measured one, but no more than `LARGE_PRODUCTS` of its own peak, or the share
        of the measured one if that is larger.
        """
        rates = {}
        for precision, peak in card.tflops.items():
            share = self.products.get(precision, self.products[COUNTED[precision]])
            most = max(LARGE_PRODUCTS, share) * peak
            rates[precision] = 1e12 * min(share * measured.tflops[precision], most)
        return self.bandwidth * card.bandwidth_gb_per_s * 1e9, rates


@dataclass(frozen=True)
class Calibration:
    """A card that was measured, and what it reached."""

    card: Card
    about: str
    """Card and date."""
    shares: dict[str, Shares]
    """``training`` and ``inference``."""
    reserved: float
    """Bytes that the allocator reserves for each byte in use, as batches grow."""
    rows: list[dict[str, Any]]
    """Steps that were measured, with the sizes of their arrays."""

    @classmethod
    def read(cls, path: str | Path, cards: dict[str, Card], corpus: Corpus) -> Calibration:
        """Read a result of ``bench_gpu`` and fit the shares, if the file does not hold them.

        Args:
            path: of the file.
            cards: known cards.
            corpus: any graphs, whose tables the steps are counted with.

        Raises:
            InputError: it is no such file, its card is not known, or `FITTED` was not measured.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            results = document["results"]
            name, watts = results["card"]["name"], float(results["card"]["power.limit"])
            rows = [step(r) for r in results["steps"]["found"] if "sizes" in r and "ms" in r]
            about, given = f"{name}, {document['date']}", results.get("shares")
            shares = {kind: Shares(**given[kind]) for kind in KINDS} if given else {}
            reserved = float(given["reserved"]) if given else 0.0
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path} is not a result of `python -m benchmarks.bench_gpu`: {error!r}"
            ) from error
        card = named(name, watts, cards)
        if not given:
            shares, reserved = fit_all(rows, card, corpus)
        return cls(card, about, shares, reserved, rows)

    def document(self) -> dict[str, Any]:
        """Return the fitted shares as JSON values."""
        return {**{k: asdict(s) for k, s in self.shares.items()}, "reserved": self.reserved}


def step(row: dict[str, Any]) -> dict[str, Any]:
    """Return a measured step; an error if it is none."""
    if row["kind"] not in KINDS or row["precision"] not in COUNTED or not row["ms"] > 0:
        raise ValueError(f"step {row['kind']}, {row['precision']}, {row['ms']} ms")
    if "counted" in row:
        frozen(row["counted"])
    return row | {"batch": int(row["batch"]), "sizes": dict(row["sizes"])}


def frozen(counts: dict[str, int]) -> Work:
    """Return the work of a step as the program that was measured had it."""
    given = {name: int(counts[name]) for name in ("operators", "bytes", "flops")}
    return Work({"step": Counts(**given)}, {"step": int(counts["peak_bytes"])})


def to_keep(work: Work) -> dict[str, int]:
    """Return the JSON values from which `frozen` makes the work of a step again."""
    total = sum(work.stages.values(), Counts())
    return {"operators": total.operators, "bytes": total.bytes, "flops": total.flops,
            "peak_bytes": work.peak_bytes}  # fmt: skip


def named(name: str, watts: float, cards: dict[str, Card]) -> Card:
    """Return the card that a driver calls by a name; InputError if it is not known."""
    words = {word.removesuffix("gb") for word in name.lower().replace("-", " ").split()}
    fits = [c for key, c in cards.items() if set(key.split("-")) - {"sxm", "pcie"} <= words]
    if not fits:
        raise InputError(
            f"the calibration is of {name!r}, which is not a known card; add it with --card"
        )
    return min(fits, key=lambda c: abs(c.power_w - watts))


def fit_all(
    rows: Sequence[dict[str, Any]], card: Card, corpus: Corpus
) -> tuple[dict[str, Shares], float]:
    """Return the shares of each kind, and the reserved memory, from measured steps."""
    for kind in KINDS:
        if not any(is_fitted(row, kind) for row in rows):
            raise InputError(
                f"the calibration has no {kind} steps of {FITTED:,} graphs; measure them with "
                "`python -m benchmarks.bench_gpu STORE --part steps`"
            )
    works, shares = works_of(rows, corpus), {}
    for kind in KINDS:
        chosen = [i for i, row in enumerate(rows) if is_fitted(row, kind)]
        shares[kind] = fit([works[i] for i in chosen], [rows[i] for i in chosen], card)
    return shares, reserved_share(works, rows)


def is_fitted(row: dict[str, Any], kind: str) -> bool:
    """Return whether the shares of a kind are fitted to a measured step."""
    return (row["kind"], row["batch"]) == (kind, FITTED)


def works_of(rows: Sequence[dict[str, Any]], corpus: Corpus) -> list[Work]:
    """Return the work of measured steps: that of the measured program, or of this one."""
    found: dict[tuple[str, str, int], Work] = {}
    new = [row for row in rows if "counted" not in row]
    for kind, precision in {(row["kind"], COUNTED[row["precision"]]) for row in new}:
        sizes = {r["batch"]: r["sizes"] for r in new if r["kind"] == kind}
        works = counted(
            kind, precision, corpus.tables, list(sizes.values()), ModelConfig(), OptimConfig()
        )
        found |= {(kind, precision, b): w for b, w in zip(sizes, works, strict=True)}
    return [
        frozen(row["counted"])
        if "counted" in row
        else found[row["kind"], COUNTED[row["precision"]], row["batch"]]
        for row in rows
    ]


def fit(works: Sequence[Work], rows: Sequence[dict[str, Any]], card: Card) -> Shares:
    """Return the shares with which steps take the time that was measured.

    Times are linear in the launch cost and in the reciprocals of the shares: linear least squares
    of relative errors, with a little weight on `EXPECTED`.
    """
    start = np.array([v if name == "launch_us" else 1 / v for name, v in EXPECTED.items()])
    terms = [
        start * np.array(milliseconds(work, card, row["precision"])) / row["ms"]
        for work, row in zip(works, rows, strict=True)
    ]
    near = WEIGHT**0.5 * np.eye(len(start))
    wanted = np.concatenate([np.ones(len(terms)), near.diagonal()])
    found = start * np.linalg.lstsq(np.concatenate([terms, near]), wanted, rcond=None)[0]
    launch, *shares = (round(float(v), 4) for v in [found[0], *1 / found[1:]])
    return Shares(launch, shares[0], dict(zip(list(EXPECTED)[2:], shares[1:], strict=True)))


def milliseconds(work: Work, card: Card, precision: str) -> list[float]:
    """Return what each of `EXPECTED` is multiplied by, or its reciprocal, in the time of a step."""
    total = sum(work.stages.values(), Counts())
    products = dict.fromkeys(list(EXPECTED)[2:], 0.0)
    products[precision] = 1e3 * total.flops / (card.tflops[precision] * 1e12)
    moved = 1e3 * total.bytes / (card.bandwidth_gb_per_s * 1e9)
    return [1e-3 * total.operators, moved, *products.values()]


def reserved_share(works: Sequence[Work], rows: Sequence[dict[str, Any]]) -> float:
    """Return the slope of reserved over used bytes of training steps, fitted to all of them."""
    used, reserved = [], []
    for work, row in zip(works, rows, strict=True):
        if row["kind"] == "training" and "reserved_gib" in row:
            used.append(work.peak_bytes / 2**30)
            reserved.append(row["reserved_gib"])
    return round(float(np.polyfit(used, reserved, 1)[0]), 2) if len(used) > 1 else 1.0


@dataclass(frozen=True)
class Times:
    """Seconds of a step on a card."""

    stages: dict[str, float]
    """Of each stage of the step."""
    causes: dict[str, float]
    """Spent on launches, on bandwidth, on matrix products."""

    @property
    def step_s(self) -> float:
        """Seconds of the step."""
        return sum(self.stages.values())

    @property
    def limit(self) -> str:
        """What most of the time is spent on."""
        return max(self.causes, key=self.causes.__getitem__)


def step_times(work: Work, card: Card, precision: str, shares: Shares, measured: Card) -> Times:
    """Return the times of a step on a card, from the shares that another one reached."""
    bandwidth, rates = shares.on(card, measured)
    each = {
        name: (
            c.operators * shares.launch_us * 1e-6,
            c.bytes / bandwidth,
            c.flops / rates[precision],
        )
        for name, c in work.stages.items()
    }
    stages = {name: math.fsum(parts) for name, parts in each.items()}
    sums = (math.fsum(parts) for parts in zip(*each.values(), strict=True))
    causes = dict(zip(("launches", "bandwidth", "matrix products"), sums, strict=True))
    return Times(stages, causes)


def bound_times(work: Work, card: Card, precision: str) -> Times:
    """Return the least times of a step: all bytes at the card's bandwidth, all FLOPs at its peak.

    They overlap perfectly, and launches cost nothing.
    """
    bandwidth, peak = card.bandwidth_gb_per_s * 1e9, card.tflops[precision] * 1e12
    each = {name: (c.bytes / bandwidth, c.flops / peak) for name, c in work.stages.items()}
    stages = {name: max(parts) for name, parts in each.items()}
    moved, computed = (math.fsum(parts) for parts in zip(*each.values(), strict=True))
    return Times(stages, {"bandwidth": moved, "matrix products": computed})
