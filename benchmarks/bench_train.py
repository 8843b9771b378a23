"""Does training learn, and does the plain network learn the same?

The fast encoder and another implementation of the same parameters (by default the plain reference)
train on one store from the same initial weights, with the same batches and masks, three seeds each.
The result shows whether their loss curves differ by more than those of different seeds, and losses
and accuracies on held-out peptides compared with predicting the label frequencies. Not measured:
speed, and the quality of the embeddings. With ``--scratch`` a run that is stopped (Ctrl-C, SIGTERM)
is resumed by the same command.
"""

from __future__ import annotations

import importlib
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import click
import torch

from benchmarks.common import record
from benchmarks.common.training_data import training_store
from pepland_data.draw.figures import COLORS
from pepland_model.run.config import TrainConfig, with_flags
from pepland_model.run.log import events
from pepland_model.train import pretrain as pretrain_module
from pepland_model.train.loss import Term
from pepland_model.train.pretrain_network import PretrainNetwork, build_network


def all_rows(
    network: PretrainNetwork, masked: Any, atoms: Any, fragments: Any
) -> list[Term | None]:
    """Predict every node, masked or not."""
    out = network.encoder(masked.batch)
    return [
        Term(network.heads.atom(out.atom_embedding), atoms),
        Term(network.heads.fragment(out.fragment_embedding), fragments),
        None,
    ]


def builder_of(reference: str) -> Callable[..., PretrainNetwork]:
    """Return a `build_network` whose encoder is another class with the same parameters."""
    module, name = reference.split(":")
    encoder = getattr(importlib.import_module(module), name)

    def build(model: Any, vocabulary: Any, bonds: bool) -> PretrainNetwork:
        network = build_network(model, vocabulary, bonds)
        other = encoder(network.encoder.config)
        other.load_state_dict(network.encoder.state_dict())
        network.encoder = other
        network.masked_rows = lambda *rows: all_rows(network, *rows)  # all it supports
        return network

    return build


def train(store: Path, out: Path, builder: Any, **flags: Any) -> dict[str, Any]:
    """Train once; return its summary and loss curve."""
    config = with_flags(TrainConfig(), {"shards": (str(store),), "out": str(out), **flags})
    with mock.patch.object(pretrain_module, "build_network", builder):
        summary = pretrain_module.pretrain(config)
    if summary is None or summary["status"] != "finished":
        raise SystemExit("a run was stopped; nothing is recorded")
    curve = [e["loss"] for e in events(out, "train")]
    data = {k: summary["data"][k] for k in ("training peptides", "validation peptides")}
    return {"metrics": summary["metrics"], "baseline": summary["baseline"], "curve": curve,
            "data": data}  # fmt: skip


def compare(runs: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Return the differences between the ends of the curves, and their spread over seeds."""
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


def held_out(runs: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """Return metrics on held-out peptides, mean over seeds, and those of the label frequencies."""
    found = {
        name: {key: statistics.fmean(r["metrics"][key] for r in each) for key in each[0]["metrics"]}
        for name, each in runs.items()
    }
    return {**found, "label frequencies": next(iter(runs.values()))[0]["baseline"]}


def draw(runs: dict[str, list[dict[str, Any]]], path: Path, every: int) -> None:
    """Draw all curves, and held-out accuracies compared with the most frequent label."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    curves, bars = figure.subplots(1, 2, width_ratios=(3, 2))
    colors = dict(zip(runs, COLORS, strict=False))
    for name, each in runs.items():
        for i, run in enumerate(each):
            steps = [every * (k + 1) for k in range(len(run["curve"]))]
            style = "-" if name == next(iter(runs)) else "--"
            label = None if i else f"{name}, {len(each)} seeds"
            curves.plot(steps, run["curve"], style, color=colors[name], lw=1, label=label)
    base = next(iter(runs.values()))[0]["baseline"]["loss"]
    curves.axhline(base, color="#5d6b7a", linestyle=":", label="label frequencies")
    curves.set(xlabel="step", ylabel="training loss (atoms + fragments)", ylim=(0, None))
    curves.legend(frameon=False)
    draw_accuracies(bars, held_out(runs), colors | {"label frequencies": "#aab4c0"})
    figure.savefig(path, dpi=130)


def draw_accuracies(axes: Any, found: dict[str, dict[str, float]], colors: dict[str, str]) -> None:
    """Draw the accuracies on held-out peptides as bars."""
    width = 0.8 / len(found)
    for i, (name, figures) in enumerate(found.items()):
        shares = [100 * figures[f"{term}_accuracy"] for term in ("atom", "fragment")]
        shown = "most frequent" if name == "label frequencies" else name
        bars = axes.bar([k + i * width for k in range(2)], shares, width * 0.95,
                        color=colors[name], label=shown)  # fmt: skip
        axes.bar_label(bars, fmt="%.0f")
    axes.set_xticks([k + 0.4 - width / 2 for k in range(2)], ["masked atoms", "masked fragments"])
    axes.set(ylabel="accuracy on held-out peptides, %", ylim=(0, 118))
    axes.legend(frameon=False, loc="upper center", ncols=len(found), fontsize=8)


@click.command()
@click.option("--shards", help="Store to train on.")
@click.option("--input", "source", help="File of peptides to build one from.")
@click.option("--steps", default=300, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--batch-size", default=16, show_default=True)
@click.option("--valid-fraction", default=0.1, show_default=True)
@click.option(
    "--against", default="pepland_model.network.plain_pharmhgt:PlainPharmHGT", show_default=True,
    help="MODULE:CLASS of another encoder with the same parameters.",
)  # fmt: skip
@click.option("--scratch", help="Folder for the runs, so that they can be resumed; else a new one.")
@click.option("--threads", default=2, show_default=True)
@click.option("--quick", is_flag=True, help="40 steps, one seed.")
def main(
    shards: str | None, source: str | None, steps: int, seeds: int, batch_size: int,
    valid_fraction: float, against: str, scratch: str | None, threads: int, quick: bool,
) -> None:  # fmt: skip
    """Train, compare, and write benchmarks/results/train.json and .png."""
    torch.set_num_threads(threads)
    if quick:
        steps, seeds = 40, 1
    every = 5
    common = {"log_every": every, "eval_every": 0, "checkpoint_every": 0, "device": "cpu",
              "max_steps": steps, "batch_size": batch_size,
              "valid_fraction": valid_fraction}  # fmt: skip
    with tempfile.TemporaryDirectory() as fresh:
        folder = Path(scratch or fresh)
        folder.mkdir(exist_ok=True)
        store = training_store(shards, source, 0, folder)
        name = against.rpartition(":")[2]
        builders = {"ours": build_network, name: builder_of(against)}
        runs = {
            name: [
                train(store, folder / f"{name}{seed}", builder, seed=seed, **common)
                for seed in range(seeds)
            ]
            for name, builder in builders.items()
        }
        settings = {"steps": steps, "seeds": seeds, "batch_size": batch_size,
                    **runs["ours"][0]["data"]}  # fmt: skip
        results = {"settings": settings, "comparison": compare(runs), "held_out": held_out(runs),
                   "curves": runs}  # fmt: skip
        wanted = record.named("train", quick)
        draw(runs, record.RESULTS / f"{wanted}.png", every)
    click.echo(f"wrote {record.save(wanted, results)}")


if __name__ == "__main__":
    main()
