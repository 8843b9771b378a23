"""How many peptides a core of this machine turns into graphs per second, and what follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pepland_data.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from pepland_data.chem.featurizer import Featurizer

CHUNK = 1000
"""Texts converted at once: the rows per shard of a build."""
WARM_UP = 8_000
"""Most texts before the count: a new featurizer meets most pieces of a corpus in the first ones."""
SYNTHETIC = 16_000
"""Synthetic peptides, half of them to warm up."""
BUILD_EFFICIENCY = 20_335 / (2 * 20_596)
"""Share of a featurizer's rate that each of two workers of a whole build reaches, 0.49.

Two workers converted 20,335 SMILES a second (``rows_per_s`` of a million SMILES in 49 s,
benchmarks/results/scale.json), one core 20,596 in a featurizer alone (``heterograph`` of ``many``,
benchmarks/results/featurize.json). New pieces, pipes, files, checksums and waiting take the rest.
"""


def featurizer() -> Featurizer:
    """Return a new featurizer; MissingDependencyError if RDKit or Numba is not installed."""
    try:
        from pepland_data.chem.featurizer import Featurizer
    except ImportError as error:
        raise MissingDependencyError(
            f"converting peptides needs RDKit and Numba ({error}); "
            "install them with `pip install 'pepland-data[build]'`"
        ) from error
    return Featurizer()


def synthetic_smiles(count: int = SYNTHETIC) -> list[str]:
    """Return synthetic peptides as SMILES, the first of the million in results/scale.json."""
    from pepland_data.inputs.synthetic import SynthOptions, peptides

    return [made.text("smiles") for made in peptides(SynthOptions(count))]


def conversion_rate(
    texts: Sequence[str], seconds: float, clock: Callable[[], float] = time.process_time
) -> dict[str, Any]:
    """Return the SMILES that one core converts per second while most pieces are known.

    A featurizer converts the first half of the texts, at most `WARM_UP`, which loads the compiled
    functions and meets the usual pieces. The others are counted, in the chunks of a build. They are
    new peptides if no text occurs twice, and RDKit reads those with new pieces.

    Args:
        texts: SMILES.
        seconds: no chunk begins after this time, except the first.
        clock: returns seconds; those of the processor, so that other load counts little.

    Returns:
        ``smiles_per_s``; ``counted``, SMILES; ``rdkit_share``, the part of them that RDKit read;
        ``atoms_per_graph``.

    Raises:
        InputError: there are fewer than two texts, or none of those counted has a graph.
        MissingDependencyError: RDKit or Numba is not installed.
    """
    if len(texts) < 2:
        raise InputError(f"{len(texts)} texts to convert; give two or more")
    warm, made = min(len(texts) // 2, WARM_UP), featurizer()
    for chunk in _chunks(texts[:warm]):
        made.convert(chunk)
    before, counted, graphs, atoms = dict(made.cache_counts), 0, 0, 0
    began = now = clock()
    for chunk in _chunks(texts[warm:]):
        columns = made.convert(chunk).columns
        now = clock()
        counted, graphs = counted + len(chunk), graphs + len(columns)
        atoms += int(columns.atom_ptr[-1])
        if now - began >= seconds:
            break
    if not graphs:
        raise InputError("none of the texts has a graph; give SMILES of peptides")
    without = made.cache_counts["without_rdkit"] - before["without_rdkit"]
    return {
        "smiles_per_s": counted / (now - began), "counted": counted,
        "rdkit_share": 1 - without / counted, "atoms_per_graph": atoms / graphs,
    }  # fmt: skip


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK))


def conversion_hours(
    peptides: int, smiles_per_s: float, cores: int, efficiency: float = BUILD_EFFICIENCY
) -> float:
    """Return the hours of a build with one worker per core."""
    return peptides / (smiles_per_s * cores * efficiency) / 3600


def live_share(step_s: float, batch: int, graphs_per_s: float, workers: int) -> float:
    """Return the seconds that a batch takes to be made, as a share of a step.

    Workers make the next batch while the step runs. So up to 1 they cost this share of their time
    and nothing else; above 1 the card waits, and a step takes this many times as long.

    Args:
        step_s: a step without waiting.
        batch: graphs per step.
        graphs_per_s: of one worker: ``smiles_per_s`` for live conversion, ``loaded_graphs_per_s``
            for stored graphs.
        workers: cores that make batches; a loader counts as one.
    """
    return batch / (graphs_per_s * workers) / step_s
