"""Batches of bounded size, computed from the size arrays alone.

A budget divides the global order into runs of consecutive places. Each run has as many graphs as
fit. The runs do not depend on the number of ranks; of W ranks each takes every W-th run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pepland_data.batch.byte_layout import Shape
from pepland_data.errors import InputError
from pepland_data.graph.columns import GROUPS
from pepland_data.loader.corpus import Corpus, Rows
from pepland_data.loader.order.epoch_order import EpochOrder

SAMPLED = 100_000
"""Graphs whose sizes decide the room for groups without a limit."""
DEVIATIONS = 4.0
"""This room is the mean size of a batch plus so many standard deviations."""
OPTIONS = {"atom": "max_atoms", "bond": "max_edges"}


@dataclass(frozen=True)
class Budget:
    """The largest sizes of one batch."""

    graphs: int
    """Graphs."""
    rows: Mapping[str, int]
    """Group -> rows; a group that is missing has no limit."""

    def shape(self) -> Shape:
        """Return the room of a batch with static shapes, one padding atom and fragment included."""
        spare = {"atom": 1, "fragment": 1}
        rows = {group: self.rows[group] + spare.get(group, 0) for group in GROUPS}
        return Shape(self.graphs, rows)

    def stops(self, sizes: Mapping[str, Rows]) -> list[int]:
        """Return the end of each run of graphs; the last run may not be full.

        Args:
            sizes: group -> [N] int64, sizes of the graphs in their order.
        """
        ends = {group: np.cumsum(sizes[group]) for group in self.rows}
        count = len(next(iter(sizes.values())))
        stops, start = [], 0
        while start < count:
            stop = min(start + self.graphs, count)
            for group, most in self.rows.items():
                before = ends[group][start - 1] if start else 0
                room = ends[group][start:stop].searchsorted(before + most, side="right")
                stop = start + int(room)
            start = max(stop, start + 1)
            stops.append(start)
        return stops


def make_budget(
    corpus: Corpus,
    order: EpochOrder,
    graphs: int,
    max_atoms: int | None,
    max_edges: int | None,
    static: bool,
) -> Budget | None:
    """Return the budget of a loader, None if only the number of graphs is limited.

    Args:
        corpus: the stores.
        order: selects the graphs that are drawn.
        graphs: most graphs per batch.
        max_atoms: most atoms per batch.
        max_edges: most directed edges between atoms per batch, two for each bond.
        static: limit all groups; those without a given limit by their sizes in the corpus.

    Raises:
        InputError: a limit is below 1, or a graph does not fit into any batch.
    """
    limits = {"atom": max_atoms, "bond": None if max_edges is None else max_edges // 2}
    rows = {group: limit for group, limit in limits.items() if limit is not None}
    if any(limit < 1 for limit in rows.values()):
        raise InputError(f"max_atoms {max_atoms}, max_edges {max_edges}: expected 1 and 2 or more")
    if not rows and not static:
        return None
    for group, limit in rows.items():
        _check_fits(corpus, order, group, limit)
    if static:
        rows |= _expected_rows(corpus, order, graphs, rows)
    return Budget(graphs, rows)


def _drawn_sizes(corpus: Corpus, order: EpochOrder, group: str) -> list[npt.NDArray[np.integer]]:
    """Return the sizes of the drawn graphs, one array per store."""
    sizes: Sequence[npt.NDArray[np.integer]] = [
        getattr(store, f"num_{group}s") for store in corpus.stores
    ]
    return [s if rows is None else s[rows] for s, rows in zip(sizes, order.rows, strict=True)]


def _check_fits(corpus: Corpus, order: EpochOrder, group: str, limit: int) -> None:
    for store, rows, sizes in zip(
        corpus.stores, order.rows, _drawn_sizes(corpus, order, group), strict=True
    ):
        if len(sizes) and int(sizes.max()) > limit:
            place = int(np.argmax(sizes > limit))
            row = place if rows is None else int(rows[place])
            factor = 2 if group == "bond" else 1
            named = "edges" if group == "bond" else f"{group}s"
            raise InputError(
                f"graph {row} of {store.path} has {factor * int(sizes[place])} {named}, more than "
                f"{OPTIONS[group]} {factor * limit}; raise {OPTIONS[group]} to "
                f"{factor * int(sizes.max())}, or leave out large graphs with subset"
            )


def _expected_rows(
    corpus: Corpus, order: EpochOrder, graphs: int, limits: Mapping[str, int]
) -> dict[str, int]:
    """Return rows for the groups without a limit, enough for all but rare batches."""
    drawn = {group: _drawn_sizes(corpus, order, group) for group in GROUPS}
    means = {group: _mean_and_deviation(sizes)[0] for group, sizes in drawn.items()}
    count = min([graphs, *(limit / max(means[g], 1e-9) for g, limit in limits.items())])
    rows = {}
    for group in GROUPS:
        if group not in limits:
            mean, deviation = _mean_and_deviation(drawn[group])
            largest = max((int(s.max(initial=0)) for s in drawn[group]), default=0)
            wanted = max(largest, mean * count + DEVIATIONS * deviation * count**0.5, 1)
            rows[group] = -(-int(wanted) // 64) * 64
    return rows


def _mean_and_deviation(parts: Sequence[npt.NDArray[np.integer]]) -> tuple[float, float]:
    total = sum(len(part) for part in parts)
    step = max(1, total // SAMPLED)
    sample = np.concatenate([part[::step] for part in parts])
    return (float(sample.mean()), float(sample.std())) if len(sample) else (0.0, 0.0)
