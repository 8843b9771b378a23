"""Does pre-training help? Affinity and cell penetration from vectors, and from composition alone.

Five seeds are used, each with its own split, in which peptides within one residue of each other
stay in the same set (``pepland-data split --by similarity``, 80/10/10). Compared are the
pre-trained encoder and one of the same sizes with random weights, each frozen under an MLP and
trained together with it, and gradient boosting on composition: the count of each fragment of the
store, and sizes. All get the same peptides, and use the validation set for early stopping only.
Figures are those of the test sets, with Student's 95 % interval over the seeds. Normalization
before the head was chosen with the validation sets of the first two seeds, after their test figures
had been seen (for trained encoders with smaller ones); warm-up and clipping were chosen with the
validation set of the first seed. Not measured: larger corpora, longer pre-training, tuned settings.
With ``--scratch`` a run that is stopped is resumed by the same command.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common import record
from benchmarks.common.training_data import SHARED
from pepland_data import BuildOptions, build
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.store.graph_store import GraphStore, open_store
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import write_split
from pepland_model.finetune.baseline import baseline
from pepland_model.finetune.confidence_interval import interval
from pepland_model.finetune.finetune import finetune
from pepland_model.finetune.task_data import open_task
from pepland_model.run.config import task_defaults, with_flags

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}
TASKS = {
    "binding": ("binding.csv", "smiles", "regression", "affinity", ("spearman", "r2", "rmse")),
    "cpp": ("cpp.csv", "sequence", "classification", "label", ("roc_auc", "pr_auc", "mcc")),
}
FROZEN = {"freeze": True, "epochs": 100, "patience": 20, "clip": 0.0, "warmup_steps": 0}
COLORS = {"pre-trained, frozen": "#0b6fb8", "untrained, frozen": "#9cc7e6",
          "pre-trained, trained on": "#2e8b57", "untrained, trained": "#a9d8bd",
          "composition, boosted trees": "#d1495b"}  # fmt: skip


def task_store(name: str, data: Path, folder: Path, seeds: int) -> GraphStore:
    """Return the store of a task with one recorded split per seed."""
    file, input_format = TASKS[name][:2]
    options = BuildOptions(FeaturizeOptions(input_format=input_format), workers=2)
    build(data / file, folder / name, options)
    store = open_store(folder / name)
    for seed in range(seeds):
        split = make_split(store, "similarity", SHARES, seed, f"similarity-{seed}")
        write_split(store, split)
    return store


def configured(name: str, store: GraphStore, out: Path, seeds: int, **flags: Any) -> Any:
    """Return the configuration of one fine-tuning."""
    kind, target = TASKS[name][2:4]
    given = {"task": kind, "target": target, "shards": (str(store.path),), "out": str(out),
             "seeds": seeds, "split": "similarity-{seed}", "device": "cpu"}  # fmt: skip
    return with_flags(task_defaults(kind), {**given, **flags})


def tuned(config: Any) -> list[dict[str, float]]:
    """Fine-tune; return the test figures of each seed."""
    summary = finetune(config)
    if summary["status"] != "finished":
        raise SystemExit("a run was stopped; the same command with --scratch resumes it")
    return [one["metrics"]["test"] for one in summary["by_seed"]]


def boosted(name: str, store: GraphStore, seeds: int) -> list[dict[str, Any]]:
    """Return the test figures of boosted trees on composition for each seed."""
    config = configured(name, store, Path("unused"), 1)
    return [baseline(open_task(config, seed), True, seed)["test"] for seed in range(seeds)]


def one_task(
    name: str, data: Path, folder: Path, checkpoint: str, seeds: int, epochs: int
) -> dict[str, Any]:
    """Return the sizes of a task, and the test figures of every variant."""
    store = task_store(name, data, folder, seeds)
    trained = {"epochs": epochs, "patience": 0, "schedule": "cosine"}
    variants = {
        "pre-trained, frozen": {**FROZEN, "init_from": checkpoint},
        "untrained, frozen": FROZEN,
        "pre-trained, trained on": {**trained, "init_from": checkpoint},
        "untrained, trained": trained,
    }
    found = {}
    for variant, flags in variants.items():
        if epochs or flags.get("freeze"):
            out = folder / f"{name}-{variant.replace(', ', '-').replace(' ', '-')}"
            found[variant] = tuned(configured(name, store, out, seeds, **flags))
    found["composition, boosted trees"] = boosted(name, store, seeds)
    sizes = open_task(configured(name, store, Path("unused"), 1), 0).describe()
    del sizes["stores"]  # paths of this machine
    return {"data": sizes, "variants": {v: over_seeds(each) for v, each in found.items()}}


def over_seeds(each: list[dict[str, float]]) -> dict[str, Any]:
    """Return mean, interval and values of each figure."""
    return {
        key: {**interval([one[key] for one in each]), "values": [one[key] for one in each]}
        for key in each[0]
    }


def pretraining(checkpoint: str) -> dict[str, Any]:
    """Return the data and metrics of the pre-training, from its run folder."""
    path = Path(checkpoint) / "summary.json"
    if not path.is_file():
        return {"checkpoint": checkpoint}
    summary = json.loads(path.read_text())
    keys = ("training peptides", "validation peptides", "vocabulary")
    kept = {key: summary["data"][key] for key in keys}
    wanted = ("atom_accuracy", "fragment_accuracy", "loss")
    return {
        "steps": summary["steps"], **kept,
        "held_out": {k: summary["metrics"][k] for k in wanted},
        "label_frequencies": {k: summary["baseline"][k] for k in wanted},
    }  # fmt: skip


def draw(tasks: dict[str, Any], path: Path) -> None:
    """Draw test figures with their intervals."""
    from matplotlib.figure import Figure

    columns = max(len(TASKS[name][4]) for name in tasks)
    figure = Figure(figsize=(3.6 * columns, 2.6 * len(tasks) + 0.6), layout="constrained")
    grid = figure.subplots(len(tasks), columns, squeeze=False)
    for row, (name, found) in zip(grid, tasks.items(), strict=True):
        for axes, key in zip(row, TASKS[name][4], strict=True):
            for i, (variant, figures) in enumerate(reversed(found["variants"].items())):
                f, color = figures[key], COLORS[variant]
                half = 0 if f["low"] is None else f["high"] - f["mean"]
                axes.errorbar(f["mean"], i, xerr=half, fmt="o", color=color, capsize=3)
                axes.plot(f["values"], [i + 0.22] * len(f["values"]), "|", color=color, ms=5)
            axes.set_yticks(range(len(found["variants"])))
            axes.set_yticklabels(reversed(found["variants"]) if axes is row[0] else [])
            axes.set_title(f"{name}: test {key.replace('_', ' ')}", fontsize=10)
            axes.set_ylim(-0.5, len(found["variants"]) - 0.3)
            axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=130)


@click.command()
@click.option("--checkpoint", required=True, help="Pre-training run.")
@click.option("--data", default=str(SHARED), help="Folder with binding.csv and cpp.csv.")
@click.option("--seeds", default=5, show_default=True)
@click.option(
    "--epochs", default=6, show_default=True, help="Epochs of trained encoders; 0 leaves them out."
)
@click.option(
    "--train-on", multiple=True, type=click.Choice(list(TASKS)), default=list(TASKS),
    help="Tasks on which the encoder is trained too (slow); default all.",
)  # fmt: skip
@click.option("--task", "tasks", multiple=True, type=click.Choice(list(TASKS)))
@click.option("--scratch", help="Folder for the runs, so that they can be resumed; else a new one.")
@click.option("--threads", default=2, show_default=True)
@click.option("--name", default="downstream", show_default=True, help="Of the result.")
def trained(
    checkpoint: str, data: str, seeds: int, epochs: int, train_on: tuple[str, ...],
    tasks: tuple[str, ...],
    scratch: str | None, threads: int, name: str,
) -> None:  # fmt: skip
    """Fine-tune, fit, compare, and write benchmarks/results/downstream.json and .png."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as fresh:
        folder = Path(scratch or fresh)
        folder.mkdir(exist_ok=True)
        found = {
            task: one_task(
                task, Path(data), folder, checkpoint, seeds, epochs if task in train_on else 0
            )
            for task in tasks or TASKS
        }
    settings = {"seeds": seeds, "epochs with the encoder": epochs, "threads": threads,
                "encoder trained on": list(train_on)}  # fmt: skip
    results = {"settings": settings, "pretraining": pretraining(checkpoint), **found}
    draw(found, record.RESULTS / f"{name}.png")
    click.echo(f"wrote {record.save(name, results)}")
