"""Does training learn, and does another encoder learn the same?

Two questions on one store, the same batches and masks for all: how far 200 steps bring the losses
below those of answering with the label frequencies; and, with ``--against MODULE:CLASS``, whether
the loss curves of that encoder (another implementation of the same parameters, from the same
initial weights) and of ours, three seeds each, differ by more than the seeds do. Not measured:
speed, and what the embeddings are good for.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import click
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import record
from benchmarks.training_data import training_store
from pepland_model import pretrain as pretrain_module
from pepland_model.loss import Term
from pepland_model.network import Network, build_network
from pepland_model.run_config import TrainConfig, with_flags
from pepland_model.run_log import events


def all_rows(network: Network, masked: Any, atoms: Any, fragments: Any) -> list[Term | None]:
    """Predict every node, masked or not."""
    out = network.encoder(masked.batch)
    return [
        Term(network.heads.atom(out.atom_embedding), atoms),
        Term(network.heads.fragment(out.fragment_embedding), fragments),
        None,
    ]


def builder_of(reference: str) -> Callable[..., Network]:
    """Return a `build_network` whose encoder is another class with the same parameters."""
    module, name = reference.split(":")
    encoder = getattr(importlib.import_module(module), name)

    def build(model: Any, vocabulary: Any, bonds: bool) -> Network:
        network = build_network(model, vocabulary, bonds)
        other = encoder(network.encoder.config)
        other.load_state_dict(network.encoder.state_dict())
        network.encoder = other
        network.masked_rows = lambda *rows: all_rows(network, *rows)  # it may know no other way
        return network

    return build


def train(store: Path, out: Path, builder: Any, **flags: Any) -> dict[str, Any]:
    """Train once; return its summary and loss curve."""
    config = with_flags(TrainConfig(), {"shards": (str(store),), "out": str(out), **flags})
    began = time.perf_counter()
    with mock.patch.object(pretrain_module, "build_network", builder):
        summary = pretrain_module.pretrain(config)
    if summary is None or summary["status"] != "finished":
        raise SystemExit("a run was stopped; nothing is recorded")
    curve = [e["loss"] for e in events(out, "train")]
    seconds = time.perf_counter() - began
    return {"metrics": summary["metrics"], "baseline": summary["baseline"], "curve": curve,
            "seconds": round(seconds, 1)}  # fmt: skip


def compare(runs: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Return the differences of the curves' ends beside their spread over seeds."""
    ends = {name: [statistics.fmean(r["curve"][-5:]) for r in each] for name, each in runs.items()}
    ours, theirs = ends.values()
    return {
        "mean_end_loss_ours": statistics.fmean(ours),
        "mean_end_loss_theirs": statistics.fmean(theirs),
        "spread_over_seeds": max(ours) - min(ours),
        "largest_difference_at_one_seed": max(
            abs(a - b) for a, b in zip(ours, theirs, strict=True)
        ),
    }


def draw(runs: dict[str, list[dict[str, Any]]], path: Path, every: int) -> None:
    """Draw all curves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for (name, each), color in zip(runs.items(), ("#0b6fb8", "#d1495b"), strict=False):
        for i, run in enumerate(each):
            steps = [every * (k + 1) for k in range(len(run["curve"]))]
            axes.plot(steps, run["curve"], color=color, alpha=0.7, label=None if i else name)
    base = next(iter(runs.values()))[0]["baseline"]["loss"]
    axes.axhline(base, color="#5d6b7a", linestyle="--", label="label frequencies")
    axes.set(xlabel="step", ylabel="training loss (atoms + fragments)")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


@click.command()
@click.option("--shards", help="Store to train on.")
@click.option("--input", "source", help="File of peptides to build one from.")
@click.option("--steps", default=300, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--batch-size", default=16, show_default=True)
@click.option("--learn-steps", default=200, show_default=True)
@click.option("--learn-batch-size", default=64, show_default=True)
@click.option("--against", help="MODULE:CLASS of another encoder with the same parameters.")
@click.option("--quick", is_flag=True, help="40 steps, one seed.")
def main(
    shards: str | None, source: str | None, steps: int, seeds: int, batch_size: int,
    learn_steps: int, learn_batch_size: int, against: str | None, quick: bool,
) -> None:  # fmt: skip
    """Train, compare, and record."""
    torch.set_num_threads(2)
    if quick:
        steps, seeds, learn_steps = 40, 1, 40
    every = 5
    common = {"log_every": every, "eval_every": 0, "checkpoint_every": 0, "device": "cpu"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store = training_store(shards, source, 0, folder)
        learn = train(store, folder / "learn", build_network, max_steps=learn_steps,
                      batch_size=learn_batch_size, **common)  # fmt: skip
        results: dict[str, Any] = {"learning": {"steps": learn_steps, **learn}}
        if against:
            builders = {"ours": build_network, against: builder_of(against)}
            runs = {
                name: [
                    train(store, folder / f"{name}{seed}", builder, max_steps=steps, seed=seed,
                          batch_size=batch_size, **common)
                    for seed in range(seeds)
                ]
                for name, builder in builders.items()
            }  # fmt: skip
            results |= {"curves": runs, "comparison": compare(runs)}
            draw(runs, record.RESULTS / "train.png", every)
        else:
            draw({"training": [learn]}, record.RESULTS / "train.png", every)
    click.echo(f"wrote {record.save('train', results)}")


if __name__ == "__main__":
    main()
