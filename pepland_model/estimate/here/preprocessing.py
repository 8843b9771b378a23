"""What a store of peptides costs on this machine: hours to build, bytes on disk, loading."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pepland_data.errors import InputError, MissingDependencyError
from pepland_data.loader.prefetch import usable_cores
from pepland_model.estimate.answer import Answer
from pepland_model.estimate.here.conversion import (
    BUILD_EFFICIENCY,
    conversion_hours,
    conversion_rate,
    live_share,
    synthetic_smiles,
)

if TYPE_CHECKING:
    from pepland_data.store.graph_store import GraphStore

STORED = 2_000
"""Synthetic peptides in the temporary store."""
LOADED = 10_000
"""Most graphs of a store that the loader draws from, so that it checks few shards."""
BATCH = 512
"""Graphs per batch of the loader."""
PUBLISHED_GRAPHS_PER_S = 9
"""Graphs per second and core of the published code (docs/featurizer.md)."""
MANY_CORES = 32
"""Cores of a larger machine, for comparison."""


def store_figures(store: GraphStore, seconds: float) -> dict[str, float]:
    """Return the bytes of a store per graph, and the graphs per second that a loader reads from it.

    The bytes are those of all files but the manifest. The loader maps the shards and draws batches
    of `BATCH` from the first `LOADED` graphs, which are in memory after the first batches.

    Raises:
        InputError: the store holds no graphs.
    """
    import numpy as np

    from pepland_data.loader.graph_loader import GraphLoader
    from pepland_data.loader.measure import iterate

    if not len(store):
        raise InputError(f"{store.path} holds no graphs; there is nothing to measure")
    rows = np.arange(len(store)) < LOADED
    loader = GraphLoader(store, BATCH, tier="mmap", subset=rows)
    loaded = iterate(loader, seconds, lambda: None).graphs_per_s
    return {"bytes_per_graph": store.nbytes / len(store), "loaded_graphs_per_s": loaded}


@contextmanager
def temporary_store(texts: Sequence[str]) -> Iterator[GraphStore]:
    """Build a store of SMILES without further columns, and delete it at the end."""
    from pepland_data.builder.build import build
    from pepland_data.store.graph_store import open_store

    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.csv", Path(folder) / "store"
        source.write_text("smiles\n" + "\n".join(texts) + "\n", encoding="utf-8")
        build(source, out)
        yield open_store(out)


def measure_preprocessing(store: str | None = None, seconds: float = 0.2) -> dict[str, Any]:
    """Return what this machine converts, stores and loads.

    Args:
        store: folder of a store whose bytes and loading count; None builds one of synthetic
            peptides. The rate of conversion is always that of synthetic peptides.
        seconds: most time for each of the two counts.

    Returns:
        The keys of `conversion_rate` and `store_figures`, without those that need RDKit where it
        is not installed: ``left_out`` says so in one sentence, else it is None. ``of_store`` tells
        whose bytes they are.
    """
    from pepland_data.store.graph_store import open_store

    figures: dict[str, Any] = {"left_out": None, "of_store": store}
    texts = synthetic_smiles()
    try:
        figures |= conversion_rate(texts, seconds)
    except MissingDependencyError as error:
        figures["left_out"] = str(error)
    if store is not None:
        return figures | store_figures(open_store(store), seconds)
    if figures["left_out"] is None:
        with temporary_store(texts[:STORED]) as made:
            figures |= store_figures(made, seconds)
    return figures


def preprocessing_answer(
    figures: dict[str, Any], counts: Sequence[int], cores: int | None = None
) -> Answer:
    """Return hours and disk space of builds.

    Args:
        figures: of `measure_preprocessing`.
        counts: peptides of each build.
        cores: of this machine; None means those that this process may use.
    """
    rate, size = figures.get("smiles_per_s"), figures.get("bytes_per_graph")
    here = cores or usable_cores()
    rows = [
        {
            "peptides": peptides,
            "cores": workers,
            "hours": rate and conversion_hours(peptides, rate, workers),
            "store_gb": size and peptides * size / 1e9,
        }
        for peptides in (counts if rate or size else ())
        for workers in sorted({here, MANY_CORES})
    ]
    return Answer("preprocessing", "Turning SMILES into a store", rows, tuple(_notes(figures)))


def _notes(figures: dict[str, Any]) -> Iterator[str]:
    rate, size = figures.get("smiles_per_s"), figures.get("bytes_per_graph")
    if figures["left_out"]:
        yield f"Left out: {figures['left_out']}."
    if rate:
        yield (
            f"Measured here: one core converts {rate:,.0f} new synthetic SMILES per second "
            f"({figures['atoms_per_graph']:.0f} atoms; RDKit reads {figures['rdkit_share']:.1%})."
        )
        yield (
            f"Each worker of a build counts with {BUILD_EFFICIENCY:.2f} of that rate, as measured "
            "with two workers; whether more workers keep it is not measured."
        )
    if size:
        whose = figures["of_store"] or f"a store of {STORED:,} of them without further columns"
        yield f"A graph takes {size:,.0f} bytes on disk: {whose}."
        yield f"A loader reads {figures['loaded_graphs_per_s']:,.0f} stored graphs per second."
    if rate and size:
        ratio = figures["loaded_graphs_per_s"] / rate
        yield f"To be as fast, conversion in the training step needs {ratio:,.0f} cores."


def live_conversion(
    figures: dict[str, Any], steps_s: dict[str, float], batch: int, workers: int = MANY_CORES
) -> Answer:
    """Return what converting SMILES in each step would cost, beside reading stored graphs.

    Args:
        figures: of `measure_preprocessing`.
        steps_s: card -> seconds of a training step.
        batch: graphs of a step.
        workers: processes that convert.
    """
    rate, loaded = figures.get("smiles_per_s"), figures.get("loaded_graphs_per_s")
    rows = [
        {
            "card": card,
            "batch": batch,
            "step_ms": 1e3 * step_s,
            "stored_share": loaded and live_share(step_s, batch, loaded, 1),
            "live_share": rate and live_share(step_s, batch, rate * BUILD_EFFICIENCY, workers),
            "published_share": live_share(step_s, batch, PUBLISHED_GRAPHS_PER_S, workers),
        }
        for card, step_s in steps_s.items()
    ]
    notes = (
        "Time to make a batch as a share of a step; above 100% the card waits, and a step takes "
        f"that many times as long. stored_share: read by one loader here. live_share: SMILES "
        f"converted by {workers} workers of this machine's speed. published_share: the same with "
        f"the published code, {PUBLISHED_GRAPHS_PER_S} graphs per second and core.",
    )
    return Answer("live_conversion", "Converting in the training step", rows, notes)
