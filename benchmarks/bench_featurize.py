"""How fast are texts converted to graphs on one core, compared with other featurizers?

Every round measures each way once, so that other load affects all ways equally; figures are medians
of the rounds. `heterograph` has the known pieces of earlier rounds, `first_time` starts with empty
caches in each round, `plain` makes the same graph without any cache. With --sequences, both are
measured on many peptides, which are written as RDKit's canonical SMILES before. The other
featurizers make atoms and bonds only, and run in the environments given with --peers. cuik-molmaker
of NVIDIA needs its own environment: each version requires one version of RDKit.

    python -m venv peers && peers/bin/pip install rdkit torch torch_geometric ogb chemprop
    python -m venv cuik && cuik/bin/pip install cuik-molmaker-pin
    python -m benchmarks.bench_featurize --peers peers/bin/python --peers cuik/bin/python

Not measured: several cores.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from rdkit import Chem

from benchmarks.common import record
from pepland_data import FeaturizeOptions, Featurizer, featurize
from pepland_data.chem.cuts import brics_bonds, piece_smiles
from pepland_data.chem.fast.sequence_path import LETTERS
from pepland_data.chem.features import fragment_row
from pepland_data.inputs.header import text_column
from pepland_data.resources import sample_path

LABELS = {
    "rdkit_parse": "RDKit's parser alone",
    "rdkit_only": "pepland-data, SMILES read by RDKit",
    "sequence": "pepland-data, sequences of 15",
    "heterograph": "pepland-data, SMILES",
    "first_time": "pepland-data, SMILES, first time",
    "plain": "pepland-data, RDKit for everything",
    "ogb": "OGB",
    "torch_geometric": "PyG",
    "chemprop": "Chemprop",
    "cuik_molmaker": "cuik-molmaker (C++)",
}
MANY = 20_000
"""Peptides that are measured with --sequences."""
COMPLETE = {"sequence", "heterograph", "first_time", "rdkit_only", "plain"}
"""Ways that make complete heterographs."""


def our_ways(texts: list[str], sequences: list[str]) -> dict[str, Callable[[], int]]:
    """Return each of our ways as a function that converts all texts and returns their number."""
    warm, rdkit_only = Featurizer(), Featurizer(FeaturizeOptions(rdkit_only=True))
    from_sequence = Featurizer(FeaturizeOptions(input_format="sequence"))
    few = texts[: max(1, len(texts) // 20)]
    return {
        "rdkit_parse": lambda: rdkit_parse(texts),
        "heterograph": lambda: len(warm.convert(texts).kept),
        "first_time": lambda: len(_without_caches().convert(texts).kept),
        "rdkit_only": lambda: len(rdkit_only.convert(texts).kept),
        "plain": lambda: len(Featurizer(fast=False).convert(few).kept),
        "sequence": lambda: len(from_sequence.convert(sequences).kept),
    }


def rdkit_parse(texts: list[str]) -> int:
    """Parse all texts with RDKit and return how many it can read."""
    return sum(Chem.MolFromSmiles(text) is not None for text in texts)


def _without_caches() -> Featurizer:
    """Clear all caches of the process and return a new featurizer."""
    for cached in (brics_bonds, piece_smiles, fragment_row):
        cached.cache_clear()
    return Featurizer()


@contextmanager
def peer_process(python: str, texts: list[str]) -> Iterator[tuple[dict[str, str], Any]]:
    """Yield the versions of the peers, and a function that measures one of them in seconds."""
    script = Path(__file__).parent / "common" / "peers_featurize.py"
    pipe = subprocess.PIPE
    with subprocess.Popen([python, str(script)], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, back = process.stdin, process.stdout

        def ask(line: str) -> Any:
            to.write(line + "\n")
            to.flush()
            return json.loads(back.readline())

        yield ask(json.dumps(texts)), ask
        to.close()


@contextmanager
def peer_processes(
    pythons: Sequence[str], texts: list[str]
) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Yield the versions of the peers of several environments, and the function that measures each.

    A peer that several environments have is measured in the first one.
    """
    versions: dict[str, str] = {}
    asks: dict[str, Any] = {}
    with ExitStack() as running:
        for python in pythons:
            found, ask = running.enter_context(peer_process(python, texts))
            new = {name: version for name, version in found.items() if name not in versions}
            versions |= new
            asks |= dict.fromkeys(new, ask)
        yield versions, asks


def measure(texts: list[str], repeats: int, pythons: Sequence[str]) -> dict[str, Any]:
    """Return peptides per second of each way: median, lowest and highest."""
    sequences = random_sequences(20_000, 15)
    ways = our_ways(texts, sequences)
    assert featurize(texts[0]) == Featurizer(fast=False).featurize(texts[0])
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with peer_processes(pythons, texts) as (versions, asks):
        rates |= {name: [] for name in versions}
        for warm in range(repeats + 1):  # the first round warms up and is not counted
            for name, work in ways.items():
                start = time.perf_counter()
                rates[name].append(work() / (time.perf_counter() - start))
            for name in versions:
                rates[name].append(len(texts) / asks[name](name))
            if not warm:
                rates = {name: [] for name in rates}
    found = {name: record.median_range(measured) for name, measured in rates.items()}
    return {"peptides": len(texts), **about(texts), "peers": versions, **found}


def about(texts: list[str]) -> dict[str, float]:
    """Return the mean number of atoms, and the share that RDKit reads while pieces are known."""
    featurizer = Featurizer()
    atoms = int(featurizer.convert(texts).columns.atom_ptr[-1])
    before = dict(featurizer.cache_counts)
    featurizer.convert(texts)
    fast = featurizer.cache_counts["without_rdkit"] - before["without_rdkit"]
    return {"mean_atoms": atoms / len(texts), "share_of_rdkit": 1 - fast / len(texts)}


def measure_many(path: Path, count: int, repeats: int) -> dict[str, Any]:
    """Return peptides per second on many peptides: all new, then all known.

    Args:
        path: CSV of sequences, compressed or not.
        count: peptides, drawn from the file.
        repeats: rounds.
    """
    with _open(path) as file:
        sequences = [row["sequence"] for row in csv.DictReader(file)]
    chosen = random.Random(0).sample(sequences, count)
    texts = [Chem.MolToSmiles(Chem.MolFromSequence(sequence)) for sequence in chosen]
    rates: dict[str, list[float]] = {"rdkit_parse": [], "first_time": [], "heterograph": []}
    for _ in range(repeats):
        featurizer = _without_caches()
        for name, work in (
            ("rdkit_parse", lambda: rdkit_parse(texts[:2000])),
            ("first_time", lambda made=featurizer: _in_chunks(made, texts)),
            ("heterograph", lambda made=featurizer: _in_chunks(made, texts)),
        ):
            start = time.perf_counter()
            rates[name].append(work() / (time.perf_counter() - start))
    return {"peptides": count} | {name: record.median_range(r) for name, r in rates.items()}


def _in_chunks(featurizer: Featurizer, texts: list[str]) -> int:
    """Convert texts in the chunks of a build and return how many have a graph."""
    return sum(
        len(featurizer.convert(texts[i : i + 1000]).kept) for i in range(0, len(texts), 1000)
    )


def _open(path: Path) -> Any:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    return opener(path, "rt", encoding="utf-8", newline="")


def random_sequences(count: int, length: int) -> list[str]:
    """Return sequences of equal length with equally frequent residues."""
    rng = random.Random(0)
    return ["".join(rng.choices(LETTERS, k=length)) for _ in range(count)]


def read_texts(path: Path, count: int) -> list[str]:
    """Return the first SMILES of a CSV file, without those that RDKit cannot read."""
    with _open(path) as file:
        rows = csv.DictReader(file)
        header = list(rows.fieldnames or [])
        column = header[text_column(header, None, path)]
        texts = [row[column] for _, row in zip(range(count), rows, strict=False)]
    return [text for text in texts if Chem.MolFromSmiles(text) is not None]


def chart(results: dict[str, Any], path: Path) -> None:
    """Draw the rates of the first corpus, fastest first; complete graphs in colour."""
    from matplotlib.figure import Figure

    name, corpus = next(iter(results["corpora"].items()))
    rates = {key: corpus[key]["median"] for key in LABELS if key in corpus}
    keys = sorted(rates, key=lambda key: rates[key])
    colours = ["#3b75af" if key in COMPLETE else "#b9bdc4" for key in keys]
    figure = Figure(figsize=(9, 0.46 * len(keys) + 1.5), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh([LABELS[key] for key in keys], [rates[key] for key in keys], color=colours)
    axes.bar_label(bars, [f"{rates[key]:,.0f}" for key in keys], padding=4)
    axes.set_xscale("log")
    axes.set_xlim(right=3 * max(rates.values()))
    axes.set_xlabel("peptides per second per core (logarithmic)")
    about = f"{name}, {corpus['peptides']:,} peptides of {corpus['mean_atoms']:.0f} atoms"
    axes.set_title(f"{about}; blue: complete heterograph, grey: less", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


@click.command()
@click.option(
    "--input", "inputs", multiple=True, type=click.Path(exists=True, path_type=Path),
    help="CSV of peptides; may be repeated [the bundled sample].",
)  # fmt: skip
@click.option(
    "--peers",
    multiple=True,
    help="Python of an environment with other featurizers; may be repeated.",
)
@click.option(
    "--sequences", type=click.Path(exists=True, path_type=Path),
    help="CSV of many sequences, to measure SMILES that are all new.",
)  # fmt: skip
@click.option("--count", default=1000, show_default=True, help="Peptides of each file.")
@click.option("--repeats", default=3, show_default=True)
def main(
    inputs: tuple[Path, ...],
    peers: tuple[str, ...],
    sequences: Path | None,
    count: int,
    repeats: int,
) -> None:
    """Measure and write benchmarks/results/featurize.json and .png."""
    corpora = {
        path.name: measure(read_texts(path, count), repeats, peers)
        for path in inputs or (sample_path(),)
    }
    results: dict[str, Any] = {"corpora": corpora}
    if sequences:
        results["many"] = measure_many(sequences, MANY, repeats)
    saved = record.save("featurize", results)
    chart({"corpora": corpora}, saved.with_suffix(".png"))
    click.echo(saved)


if __name__ == "__main__":
    main()
