"""How fast is each step from a SMILES to a training step, on one machine, in one run?

RDKit's parser is the ceiling of the featurizer and is measured beside it. Medians and extremes of
several repetitions. Not measured: a GPU, a cold disk, other libraries.
"""

from __future__ import annotations

import csv
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rdkit import Chem

from benchmarks import record
from pepland_data import (
    BuildOptions,
    FeaturizeOptions,
    Featurizer,
    GraphLoader,
    build,
    featurize,
    open_store,
)
from pepland_data.resources import sample_path
from pepland_data.sequence import LETTERS
from pepland_model import MaskOptions, PharmHGT, PharmHGTConfig, PretrainHeads, mask_batch


def rate(work: Callable[[], int], repeats: int) -> dict[str, float]:
    """Return items a second: median, lowest and highest of some repetitions after a warm-up."""
    work()
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        count = work()
        rates.append(count / (time.perf_counter() - start))
    return {"median": statistics.median(rates), "low": min(rates), "high": max(rates)}


def featurizing(texts: list[str], repeats: int) -> dict[str, Any]:
    """Peptides a second and core: RDKit's parser, and the whole heterograph."""
    featurizer = Featurizer()

    def parse() -> int:
        return sum(Chem.MolFromSmiles(text) is not None for text in texts)

    def convert() -> int:
        return len(featurizer.convert(texts).kept)

    made, again = featurize(texts[0]), featurizer.featurize(texts[0])
    assert made == again
    sequences = random_sequences(20_000, 15)
    from_sequence = Featurizer(FeaturizeOptions(input_format="sequence"))
    return {
        "rdkit_parse": rate(parse, repeats),
        "heterograph": rate(convert, repeats),
        "sequence_15": rate(lambda: len(from_sequence.convert(sequences).kept), repeats),
    }


def random_sequences(count: int, length: int) -> list[str]:
    """Sequences of equal length with equally frequent residues."""
    rng = random.Random(0)
    return ["".join(rng.choices(LETTERS, k=length)) for _ in range(count)]


def loading(store: Any, repeats: int) -> dict[str, Any]:
    """Graphs a second from each tier, batches of 512 on the CPU, one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    results = {}
    for tier in ("mmap", "host"):
        loader = GraphLoader(store, batch_size=512, tier=tier)
        results[tier] = rate(lambda loader=loader: sum(len(b) for b in loader), repeats)
    torch.set_num_threads(threads)
    return results


def training(store: Any, repeats: int, batch_size: int) -> dict[str, Any]:
    """Peptides a second forward, and in masked forward and backward with an optimizer step."""
    batch = next(iter(GraphLoader(store, batch_size=batch_size)))
    results = {}
    for dedup in (False, True):
        torch.manual_seed(0)
        model, heads = PharmHGT(PharmHGTConfig(dedup=dedup)), PretrainHeads(300, 258)
        optimizer = torch.optim.Adam([*model.parameters(), *heads.parameters()])

        def forward(model: PharmHGT = model) -> int:
            model.eval()
            with torch.no_grad():
                model(batch)
            return len(batch)

        def step(
            model: PharmHGT = model,
            heads: PretrainHeads = heads,
            optimizer: torch.optim.Optimizer = optimizer,
        ) -> int:
            model.train()
            masked = mask_batch(batch, MaskOptions(), 0, 0)
            out = model(masked.batch)
            loss = torch.nn.functional.cross_entropy(heads.atom(out.atom), masked.atom_target)
            loss = loss + heads.fragment(out.fragment).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return len(batch)

        name = "each_state_once" if dedup else "every_row"
        results[name] = {"forward": rate(forward, repeats), "step": rate(step, repeats)}
    return results


@click.command()
@click.option("--input", "source", default=str(sample_path()), help="CSV with a smiles column.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--batch-size", default=128, show_default=True)
def main(source: str, repeats: int, batch_size: int) -> None:
    """Measure every step and write benchmarks/results/pipeline.json."""
    with open(source, newline="") as file:
        texts = [row["smiles"] for row in csv.DictReader(file)]
    with tempfile.TemporaryDirectory() as folder:
        report = build(source, Path(folder) / "store", BuildOptions(rows_per_shard=300))
        store = open_store(Path(folder) / "store")
        results = {
            "input": Path(source).name,
            "graphs": len(store),
            "mean_atoms": float(np.mean(store.num_atoms)),
            "bytes_per_graph": report.bytes / report.graphs,
            "batch_size": batch_size,
            "featurize": featurizing(texts[:1000], repeats),
            "load": loading(store, repeats),
            "train": training(store, repeats, batch_size),
        }
    click.echo(record.save("pipeline", results))


if __name__ == "__main__":
    main()
