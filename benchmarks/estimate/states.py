"""Distinct states of a batch that is larger than any that was searched: is the growth right?"""

from __future__ import annotations

from typing import Any

from benchmarks.estimate.compare import Row, compared, largest_error
from benchmarks.estimate.given_sizes import GivenSizes, memory_of, workload
from benchmarks.estimate.h100 import shipped
from pepland_model.estimate.calibration import Calibration
from pepland_model.estimate.corpus import BatchSizes, Corpus, grown
from pepland_model.estimate.work import KINDS

FROM, TO = 1024, 8192
"""Graphs of the batch that the growth is taken from, with half of it, and of the one that it
leads to."""
QUICK = 16, 64
PRECISION = "bf16"
SMALL = 1024
"""Rows. Smaller rooms have mostly spare rows."""


def states(corpus: Corpus, quick: bool = False) -> dict[str, Any]:
    """Return rooms, memory and time of a large batch, extrapolated beside searched."""
    start, end = QUICK if quick else (FROM, TO)
    if corpus.graphs < end:
        return {"left_out": f"the store has {corpus.graphs:,} graphs; give one of {end:,} or more"}
    half, whole, real = (corpus.sizes(size) for size in (start // 2, start, end))
    guess = BatchSizes(*(
        grown(getattr(half, kind), getattr(whole, kind), end) for kind in KINDS
    ))  # fmt: skip
    rooms = [
        {"kind": kind, "room": name, **compared("rows", predicted, searched[name])}
        for kind in KINDS
        for searched in [getattr(real, kind)["rooms"]]
        for name, predicted in getattr(guess, kind)["rooms"].items() if name in searched
    ]  # fmt: skip
    large = [row for row in rooms if row["measured_rows"] >= SMALL]
    calibration = shipped(corpus)
    return {
        "from": start, "to": end,
        "rooms": rooms,
        "largest_error_of_rooms_from_1024_rows": largest_error("rows", large),
        "rows": [followed(corpus, calibration, kind, guess, real, end) for kind in KINDS],
    }  # fmt: skip


def followed(
    corpus: Corpus, calibration: Calibration, kind: str, guess: BatchSizes, real: BatchSizes,
    batch: int,
) -> Row:  # fmt: skip
    """Return memory in use and time on the card of the calibration that follow from sizes."""
    both = [
        memory_of(workload(GivenSizes(corpus.tables, {batch: sizes})), calibration)
        for sizes in (guess, real)
    ]
    gib = [memory.used_gib(kind, PRECISION, batch) for memory in both]
    ms = [1e3 * memory.speeds.of(kind, calibration.card, PRECISION, batch).step_s
          for memory in both]  # fmt: skip
    return {"kind": kind, "precision": PRECISION, "batch": batch,
            **compared("gib", *gib), **compared("ms", *ms)}  # fmt: skip
