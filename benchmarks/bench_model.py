"""How many peptides per second does PharmHGT compute, with which technique, and what limits it?

Forward passes and whole training steps (both heads, loss, backward, Adam; 80 % masked) are compared
with the published formulation on DGL. Ceilings of arithmetic and memory are measured in the same
run. All times include the search for equal states. Not measured: loading and masking of batches.

The parts can be run separately; each replaces its own section of the result file:

    baseline  DGL, then one technique after another added, on a real corpus
    sizes     batches of 64 to 8192, forward and training
    corpus    inference over thousands of peptides, states kept from batch to batch
    precision bfloat16 and float32, all outputs
    estimates other devices, from FLOPs and bytes counted in bfloat16
    counts    distinct atoms, edges and fragments after each round on real corpora
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common import record
from benchmarks.common.model_chart import draw
from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from pepland_data.resources import sample_path
from pepland_model.measure.report import GraphSource
from pepland_model.measure.roofline import Ceilings
from pepland_model.measure.speed import (
    Settings,
    ceilings,
    estimate,
    measure_inference,
    measure_training,
    sweep,
)
from pepland_model.measure.state_counts import corpus_counts
from pepland_model.measure.variants import VARIANTS
from pepland_model.network.config import PharmHGTConfig
from pepland_model.run.host_memory import keep_freed_memory

CPU = torch.device("cpu")
BY_NAME = {variant.name: variant for variant in VARIANTS}
CARDS = {"RTX 4090": Ceilings(165e3, 1008.0), "H200": Ceilings(790e3, 4800.0)}
"""Figures of the vendors: dense bfloat16 with float32 sums, and memory."""
SIZES = (64, 256, 512, 2048, 4096, 8192)


class Corpus:
    """The peptides of a CSV file."""

    def __init__(self, path: Path) -> None:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        column = next(name for name in rows[0] if name.lower() == "smiles")
        self.name, self.graphs = path.stem, GraphSource.from_smiles([row[column] for row in rows])

    def batches(self, size: int, count: int | None = None) -> list[Any]:
        """Return batches of a size."""
        return self.graphs.batches(size, count, CPU)

    @property
    def facts(self) -> dict[str, Any]:
        """Name, number and mean size of the peptides."""
        return {"name": self.name, "peptides": len(self.graphs),
                "mean_atoms": round(self.graphs.mean_atoms, 1)}  # fmt: skip


def baseline(corpus: Corpus, settings: Settings, ceiling: Ceilings, slow: int) -> Any:
    """Measure each formulation; those that compute every row run on fewer peptides."""
    rows = []
    for variant in VARIANTS:
        parts = corpus.batches(slow, 1) if not variant.dedup else corpus.batches(499)
        rows += sweep([variant], parts, settings, ceiling, say=say)
    return {"corpus": corpus.facts, "rows": rows}


def sizes(corpus: Corpus, settings: Settings, ceiling: Ceilings) -> Any:
    """Measure the fastest formulation at each batch size."""
    rows = []
    for size in [s for s in SIZES if s <= len(corpus.graphs)]:
        say(f"batches of {size}")
        batch = corpus.batches(size, 1)
        one = replace(settings, seconds=1.0, repeats=3 if size <= 512 else 1)
        once = BY_NAME["states_once"]
        rows.append({
            "batch_size": size,
            "inference": measure_inference(once, batch, one, ceiling),
            "training": measure_training(once, batch[0], one, ceiling),
        })  # fmt: skip
    return {"corpus": corpus.facts, "rows": rows}


def whole_corpus(corpus: Corpus, settings: Settings, ceiling: Ceilings) -> Any:
    """Measure inference over all peptides in batches of 512, starting with an empty cache."""
    parts = corpus.batches(512)
    kept, once = BY_NAME["kept_states"], BY_NAME["states_once"]
    return {
        "corpus": corpus.facts,
        "atom_view": measure_inference(kept, parts, settings, ceiling, atoms_only=True),
        "both_views": measure_inference(kept, parts, settings, ceiling),
        "both_views_each_batch_anew": measure_inference(once, parts, settings, ceiling),
    }


def precisions(corpus: Corpus, base: Settings) -> Any:
    """Measure precisions and outputs, each with its own ceiling."""
    found = []
    for precision in ("fp32", "bf16"):
        for output in ("homo", "checkpoint", "fused"):
            say(f"{precision}, {output}")
            settings = replace(base, precision=precision, config=PharmHGTConfig(output=output))
            ceiling = ceilings(settings)
            rows = sweep([BY_NAME["states_once"]], corpus.batches(499), settings, ceiling)
            found.append({"precision": precision, "output": output,
                          "ceilings": ceiling.__dict__, **rows[0]})  # fmt: skip
    return found


def estimates(corpus: Corpus, graphs: int) -> Any:
    """Return upper bounds for other devices: every row computed, and each state once."""
    found = []
    settings = Settings(CPU, "bf16")
    for name, size in (("tables", graphs), ("states_once", 499)):
        for card, ceiling in CARDS.items():
            say(f"{card}, {name}")
            batch = corpus.batches(size, 1)[0]
            found.append({"card": card, "variant": name, "batch_size": batch.num_graphs,
                          **estimate(BY_NAME[name], batch, settings, ceiling)})  # fmt: skip
    return found


def counts(corpora: Sequence[Corpus]) -> Any:
    """Count distinct states in a batch of 512, with and without masks, and in each corpus."""
    return [c.facts | corpus_counts(c.graphs.columns, c.graphs.tables) for c in corpora]


def say(line: str) -> None:
    click.echo(line, err=True)


def synthetic(count: int) -> Corpus:
    """Return canonical peptides that are equal on every machine."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "synthetic.csv"
        write_peptides(str(path), SynthOptions(count, noncanonical=0.0, cyclic=0.0, bridged=0.0))
        return Corpus(path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("parts", nargs=-1)
@click.option("--input", "source", type=click.Path(path_type=Path), default=sample_path(),
              help="CSV with a SMILES column [the bundled sample].")  # fmt: skip
@click.option("--also", type=click.Path(path_type=Path), multiple=True,
              help="More corpora to count states in.")  # fmt: skip
@click.option(
    "--peptides", default=8192, show_default=True, help="Synthetic peptides, for sizes and corpus."
)
@click.option(
    "--slow",
    default=64,
    show_default=True,
    help="Peptides for formulations that compute every row.",
)
@click.option("--seconds", default=2.0, show_default=True, help="Time for each figure.")
@click.option("--processor-time", is_flag=True,
              help="Measure processor time, with one thread.")  # fmt: skip
@click.option("--name", default="model", show_default=True, help="Name of the result file.")
@click.option("--quick", is_flag=True, help="Few peptides, one call per figure.")
def main(
    parts: tuple[str, ...], source: Path, also: tuple[Path, ...], peptides: int, slow: int,
    seconds: float, processor_time: bool, name: str, quick: bool,
) -> None:  # fmt: skip
    """Measure PARTS (all by default) and write benchmarks/results/NAME.json and NAME.png."""
    wanted = parts or ("baseline", "sizes", "corpus", "precision", "estimates", "counts")
    if quick:
        peptides, slow, seconds, name = 1024, 8, 0.0, record.named(name, True)
    keep_freed_memory()
    if processor_time:
        torch.set_num_threads(1)
    settings = Settings(CPU, seconds=seconds, processor_time=processor_time)
    ceiling = ceilings(settings)
    real = Corpus(source)
    made = synthetic(peptides) if {"sizes", "corpus"} & set(wanted) else real
    measure = {
        "baseline": lambda: baseline(real, settings, ceiling, slow),
        "sizes": lambda: sizes(made, settings, ceiling),
        "corpus": lambda: whole_corpus(made, settings, ceiling),
        "precision": lambda: precisions(real, settings),
        "estimates": lambda: estimates(real, slow),
        "counts": lambda: counts([real, *map(Corpus, also)]),
    }
    sections = {}
    for part in wanted:
        found = measure[part]()
        sections[part] = {
            "arguments": " ".join(sys.argv[1:]),
            "clock": "processor" if processor_time else "wall",
            "threads": torch.get_num_threads(),
            "ceilings": ceiling.__dict__,
            "found": found,
        }
    old = record.RESULTS / f"{name}.json"
    kept = json.loads(old.read_text())["results"] if old.exists() and parts else {}
    results = kept | sections
    path = record.save(name, results)
    draw(results, path.with_suffix(".png"))
    say(f"wrote {path}")


if __name__ == "__main__":
    main()
