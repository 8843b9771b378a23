"""How long the CPU of this machine takes for the vector of one peptide: cold, warm, known."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch

from pepland_data.errors import MissingDependencyError
from pepland_data.graph.columns import GraphColumns, compact
from pepland_data.graph.feature_tables import FeatureTables
from pepland_model.embed.embedder import Embedder
from pepland_model.embed.encoder import Encoder
from pepland_model.embed.vector_cache import VectorCache
from pepland_model.estimate.answer import Answer
from pepland_model.estimate.here.conversion import featurizer, synthetic_smiles
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.network.pooling import Pooling

T = TypeVar("T")
Graph = tuple[GraphColumns, FeatureTables]
COLD_CALLS, WARM_CALLS = 1, 9
WARM = "warm: new peptide"
"""State of an encoder that has computed others."""
SEED = 0
"""Of the weights, on which no time depends."""
NEW_PROCESS = """
import sys, time
from pepland_data.chem.featurizer import Featurizer
from pepland_model.embed.embedder import Embedder
imported = time.time()
Embedder(sys.argv[1], device="cpu").vector(sys.argv[2])
print(imported, time.time())
"""
"""Prints when the imports are done and when the vector is there, both in seconds."""


def one_peptide(cold_calls: int = COLD_CALLS, warm_calls: int = WARM_CALLS) -> list[dict[str, Any]]:
    """Measure vectors of single synthetic peptides with an untrained encoder of default size.

    Args:
        cold_calls: new processes, all with the same peptide.
        warm_calls: peptides of which each is asked once in this process.

    Returns:
        Rows ``from``, ``state``, ``ms`` (the median) and ``calls``. A warm encoder has computed
        other peptides, and its featurizer knows the pieces of this one, so RDKit is not asked.

    Raises:
        MissingDependencyError: RDKit or Numba is not installed.
    """
    stored = featurizer().convert(texts := synthetic_smiles(1 + warm_calls))
    graphs = [compact(stored.columns.slice(i, i + 1), stored.tables) for i in range(len(texts))]
    with tempfile.TemporaryDirectory() as folder:
        _save_untrained(folder)
        cold = [_new_process(folder, texts[0]) for _ in range(cold_calls)]
        known, warm = _from_text(folder, *texts)
        loaded = _from_graph(folder, *graphs)
    whole, imported = (statistics.median(ms) for ms in zip(*cold, strict=True))
    rows = (
        ("SMILES", "cold: new process", whole, cold_calls),
        ("SMILES", "cold: new process, after its imports", imported, cold_calls),
        ("SMILES", WARM, warm, warm_calls),
        ("stored graph", WARM, loaded, warm_calls),
        ("SMILES", "known: vector kept", known, warm_calls),
    )
    return [dict(zip(("from", "state", "ms", "calls"), row, strict=True)) for row in rows]


def median_ms(
    work: Callable[[T], object],
    items: Iterable[T],
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the median milliseconds of `work` on one item; `clock` returns seconds."""
    taken = []
    for item in items:
        began = clock()
        work(item)
        taken.append(clock() - began)
    return 1e3 * statistics.median(taken)


def _save_untrained(folder: str) -> None:
    """Write a new encoder; the random numbers of the caller stay as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        PharmHGT(PharmHGTConfig()).save(Path(folder))


def _new_process(folder: str, text: str) -> tuple[float, float]:
    """Return the milliseconds until a new process has the vector: all, and after its imports."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    command, env = [sys.executable, "-c", NEW_PROCESS, folder, text], {"PYTHONPATH": path}
    began = time.time()
    run = subprocess.run(command, check=True, capture_output=True, env=os.environ | env)
    imported, done = map(float, run.stdout.split())
    return 1e3 * (done - began), 1e3 * (done - imported)


def _from_text(folder: str, first: str, *others: str) -> tuple[float, float]:
    """Return the milliseconds for vectors that are kept, and for peptides of known pieces."""
    embedder = Embedder(folder, "cpu")
    embedder.embed(others)
    known = median_ms(embedder.vector, others)
    embedder.cache, embedder.encoder = VectorCache(0), Encoder(folder)  # forgets vectors and states
    embedder.vector(first)
    return known, median_ms(embedder.vector, others)


def _from_graph(folder: str, first: Graph, *others: Graph) -> float:
    """Return the milliseconds for a graph that exists already."""
    encoder, which = Encoder(folder), Pooling()
    encoder.nodes(*first, which)
    return median_ms(lambda graph: encoder.nodes(*graph, which), others)


def one_peptide_answer(measure: Callable[[], list[dict[str, Any]]] = one_peptide) -> Answer:
    """Return the latencies of one peptide; where RDKit is not installed, a sentence says so."""
    title = "One peptide on this CPU"
    try:
        rows = measure()
    except MissingDependencyError as error:
        return Answer("one_peptide", title, [], (f"Left out: {error}.",))
    notes = (
        "Synthetic peptides of 14 residues in the median, an untrained encoder of default size.",
        "A new process starts Python, imports, loads the model and computes. Warm: the pieces of "
        "the peptide are known, its states and vector are not.",
    )
    return Answer("one_peptide", title, rows, notes)
