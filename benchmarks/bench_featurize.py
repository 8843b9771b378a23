"""How fast do texts become graphs, beside RDKit's parser and other featurizers, on one core?

Every round measures each way once, so that a noisy machine hits all alike; medians of the rounds.
`heterograph` knows the pieces of earlier rounds, `first_time` starts from nothing each round,
`plain` is our plain path: the same graph, without any cache.
Peers make atoms and bonds only; they run in the environments named with --peers. NVIDIA's
cuik-molmaker needs one of its own: each version is made for the RDKit version of its number.

    python -m venv peers && peers/bin/pip install rdkit torch torch_geometric ogb chemprop
    python -m venv cuik && cuik/bin/pip install cuik-molmaker-pin
    python -m benchmarks.bench_featurize --peers peers/bin/python --peers cuik/bin/python

Not measured: several cores.
"""

from __future__ import annotations

import csv
import json
import random
import statistics
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
    "sequence": "pepland-data, sequences of 15",
    "heterograph": "pepland-data, SMILES",
    "first_time": "pepland-data, SMILES, first time",
    "plain": "pepland-data, RDKit for everything",
    "ogb": "OGB",
    "torch_geometric": "PyG",
    "chemprop": "Chemprop",
    "cuik_molmaker": "cuik-molmaker (C++)",
}
COMPLETE = {"sequence", "heterograph", "first_time", "plain"}
"""Ways that make fragments too."""


def our_ways(texts: list[str], sequences: list[str]) -> dict[str, Callable[[], int]]:
    """Return each of our ways as a call that converts everything and returns how many."""
    warm = Featurizer()
    from_sequence = Featurizer(FeaturizeOptions(input_format="sequence"))
    few = texts[: max(1, len(texts) // 20)]
    return {
        "rdkit_parse": lambda: sum(Chem.MolFromSmiles(text) is not None for text in texts),
        "heterograph": lambda: len(warm.convert(texts).kept),
        "first_time": lambda: len(_forgetful().convert(texts).kept),
        "plain": lambda: len(Featurizer(fast=False).convert(few).kept),
        "sequence": lambda: len(from_sequence.convert(sequences).kept),
    }


def _forgetful() -> Featurizer:
    """Return a featurizer in a process that remembers nothing."""
    for remembered in (brics_bonds, piece_smiles, fragment_row):
        remembered.cache_clear()
    return Featurizer()


@contextmanager
def peer_process(python: str, texts: list[str]) -> Iterator[tuple[dict[str, str], Any]]:
    """Yield the peers' versions and a call that converts all texts with one and returns seconds."""
    script = Path(__file__).with_name("peers_featurize.py")
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
    """Yield the versions of the peers of several environments, and the call of each.

    What an earlier environment has is not measured in a later one.
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
        for round_ in range(repeats + 1):  # the first one warms up
            for name, work in ways.items():
                start = time.perf_counter()
                count = work()
                _note(rates[name], count / (time.perf_counter() - start), round_)
            for name in versions:
                _note(rates[name], len(texts) / asks[name](name), round_)
    found = {
        name: {"median": statistics.median(r), "low": min(r), "high": max(r)}
        for name, r in rates.items()
    }
    return {"peptides": len(texts), "mean_atoms": mean_atoms(texts), "peers": versions, **found}


def _note(rates: list[float], rate: float, round_: int) -> None:
    if round_ > 0:
        rates.append(rate)


def mean_atoms(texts: list[str]) -> float:
    """Return how large the molecules are."""
    return int(Featurizer().convert(texts).columns.atom_ptr[-1]) / len(texts)


def random_sequences(count: int, length: int) -> list[str]:
    """Sequences of equal length with equally frequent residues."""
    rng = random.Random(0)
    return ["".join(rng.choices(LETTERS, k=length)) for _ in range(count)]


def read_texts(path: Path, count: int) -> list[str]:
    """Return the first SMILES of a CSV file, without those that RDKit cannot read."""
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        header = list(rows.fieldnames or [])
        column = header[text_column(header, None, path)]
        texts = [row[column] for _, row in zip(range(count), rows, strict=False)]
    return [text for text in texts if Chem.MolFromSmiles(text) is not None]


def chart(results: dict[str, Any], path: Path) -> None:
    """Draw the rates of the first corpus, fastest first; complete graphs in colour."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    name, corpus = next(iter(results["corpora"].items()))
    rates = {key: corpus[key]["median"] for key in LABELS if key in corpus}
    keys = sorted(rates, key=lambda key: rates[key])
    colours = ["#3b75af" if key in COMPLETE else "#b9bdc4" for key in keys]
    figure, axes = plt.subplots(figsize=(9, 0.46 * len(keys) + 1.5), layout="constrained")
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
    help="CSV of peptides, may be repeated [the bundled sample].",
)  # fmt: skip
@click.option(
    "--peers", multiple=True, help="Python of an environment with other featurizers; repeatable."
)
@click.option("--count", default=1000, show_default=True, help="Peptides of each file.")
@click.option("--repeats", default=3, show_default=True)
def main(inputs: tuple[Path, ...], peers: tuple[str, ...], count: int, repeats: int) -> None:
    """Measure and write benchmarks/results/featurize.json and .png."""
    corpora = {
        path.name: measure(read_texts(path, count), repeats, peers)
        for path in inputs or (sample_path(),)
    }
    saved = record.save("featurize", {"corpora": corpora})
    chart({"corpora": corpora}, saved.with_suffix(".png"))
    click.echo(saved)


if __name__ == "__main__":
    main()
