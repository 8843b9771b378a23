"""``finetune(config)``: train an encoder and a head on columns of a store, once per seed.

Each seed has its own folder; a finished seed is not run again. The metrics have a confidence
interval of their mean over the seeds. It shows the effect of the seed (and of the split, if each
seed has its own), not how well the results hold for other data.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from pepland_data.errors import InputError
from pepland_data.files.atomic import file_sha256, write_json
from pepland_data.files.json_forms import any_real, anything, items, mapping, maybe, record, text
from pepland_data.loader.graph_loader import GraphLoader
from pepland_model.finetune.baseline import baseline, why_none
from pepland_model.finetune.confidence_interval import interval
from pepland_model.finetune.ensemble import ensemble
from pepland_model.finetune.report import write_finetune_report
from pepland_model.finetune.run_predictions import join_predictions, write_seed_predictions
from pepland_model.finetune.seed_run import SeedRun
from pepland_model.finetune.task_data import TaskData, open_task
from pepland_model.finetune.task_network import HeadConfig, TaskNetwork, save_task
from pepland_model.network.layers import is_junction
from pepland_model.network.model_files import MODEL
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.run.checkpoint import FOLDER, read_run_json
from pepland_model.run.config import TrainConfig, differences, from_toml
from pepland_model.run.distributed import ProcessGroup, pick_device
from pepland_model.run.folder import CONFIG, locked, refuse_changes, write_provenance
from pepland_model.run.load_encoder import check_cut, load_encoder, source_folder, trained_cut
from pepland_model.run.progress import Progress
from pepland_model.run.run_stores import common_cut
from pepland_model.run.signals import StopRequest
from pepland_model.train.init_from import with_source_sizes
from pepland_model.train.out_of_memory import OutOfMemoryError, general_message, is_out_of_memory
from pepland_model.train.pretrain import EXIT_CODES
from pepland_model.train.pretrain_network import build_encoder, recompute_attention

DONE = "done.json"
MODEL_FOLDER = "model"
RUN_FORM = record({"fingerprint": mapping(anything)})
FIGURES = mapping(mapping(maybe(any_real)))
DONE_FORM = record(
    {"metrics": FIGURES, "warnings": items(text)},
    {"baseline": FIGURES, "by_target": mapping(FIGURES)},
)
"""What ``done.json`` of a finished seed holds."""


def finetune(config: TrainConfig, must_resume: bool = False) -> dict[str, Any]:
    """Fine-tune as configured, or resume the run in ``config.run.out``.

    Args:
        config: the run; its section ``finetune`` has task and target.
        must_resume: raise InputError if there is no run to resume.

    Returns:
        The content of ``summary.json``.

    Raises:
        InputError: data, settings or run folder cannot be used.
        CheckpointError: the encoder in ``init_from`` cannot be used.
        NonFiniteError: a loss became NaN or infinite; ``nonfinite.json`` has the peptides.
        OSError: there is no space for the files of the run.
    """
    check_supported(config)
    device = pick_device(config.run.device)
    config = with_source_sizes(config)
    run = Path(config.run.out)
    check_run(run, config, must_resume)
    progress = Progress(total=1)
    try:
        with StopRequest() as stop, locked(run):
            return _all_seeds(config, run, device, progress, stop)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        alone = ProcessGroup(0, 1, device)
        raise OutOfMemoryError(general_message(config, alone, error)) from error
    finally:
        progress.close()


PRETRAINING_ONLY = {
    "data": ("weights", "vocab", "vocab_size"), "run": ("profile", "eval_every", "eval_batches"),
    "mask": ("mode", "atom_rate", "mask_fragments", "fragment_rate", "mask_bonds"),
}  # fmt: skip
"""Keys that fine-tuning does not use."""


def check_supported(config: TrainConfig) -> None:
    """Raise InputError for settings that fine-tuning does not support."""
    defaults = TrainConfig()
    for section, keys in PRETRAINING_ONLY.items():
        for key in keys:
            if getattr(getattr(config, section), key) != getattr(getattr(defaults, section), key):
                raise InputError(f"{key} is for pre-training; leave it out of fine-tuning")

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError("fine-tuning runs in one process; start it without torchrun")
    if config.optim.ema or config.optim.precision == "fp16":
        raise InputError("fine-tuning supports neither --ema nor fp16; leave them out, or use bf16")
    if config.data.batch_size % config.data.accumulate:
        raise InputError(
            f"batch_size {config.data.batch_size} is not a multiple of accumulate "
            f"{config.data.accumulate}; choose one that is"
        )


FIXED_KEYS = ("epochs", "eval_every", "max_steps", "patience")
"""Keys of ``[run]`` that a resumed pre-training run may change, and a fine-tuning run may not."""


def check_run(run: Path, config: TrainConfig, must_resume: bool) -> None:
    """Raise InputError for a folder that is not a run folder, or of a run with other settings."""
    stored = from_toml(run / CONFIG) if (run / CONFIG).is_file() else None
    if stored is None and must_resume:
        raise InputError(f"{run} has no run to resume; leave out --resume")
    if stored is None:
        if run.exists() and (not run.is_dir() or any(p.name != ".lock" for p in run.iterdir())):
            raise InputError(f"{run} is not empty and not a run folder; choose another --out")
        return
    now = replace(config, finetune=replace(config.finetune, seeds=stored.finetune.seeds))
    changed = differences(stored, now)
    changed += [
        f"{key}: {getattr(stored.run, key)!r} -> {getattr(now.run, key)!r}"
        for key in FIXED_KEYS
        if getattr(stored.run, key) != getattr(now.run, key)
    ]
    refuse_changes(run, changed)


def _all_seeds(
    config: TrainConfig, run: Path, device: torch.device, progress: Progress, stop: StopRequest
) -> dict[str, Any]:
    seeds = [config.run.seed + i for i in range(config.finetune.runs)]
    provenance = write_run_files(run, config, open_task(config, seeds[0]))
    features: dict[str, Tensor] = {}
    status = "finished"
    for seed in seeds:
        folder = run / f"seed-{seed}"
        if not (folder / DONE).is_file() and not _one_seed(
            config, seed, folder, device, progress, stop, features
        ):
            status = stop.received or "stopped"
            break
    return finish(run, config, seeds, status, provenance)


def write_run_files(run: Path, config: TrainConfig, data: TaskData) -> dict[str, Any]:
    """Write configuration and provenance; InputError if data or encoder are not those of the run.

    Returns:
        The provenance, as in ``run.json``.
    """
    fingerprint = data.fingerprint()
    if config.run.init_from:
        fingerprint["encoder"] = file_sha256(source_folder(config.run.init_from) / MODEL)
    path = run / "run.json"
    if path.is_file():
        before = read_run_json(path, RUN_FORM)["fingerprint"]
        changed = [key for key, value in fingerprint.items() if before.get(key) != value]
        if changed:
            raise InputError(
                f"{', '.join(changed)} changed since the run in {run} began; choose another "
                "--out, or use the data and the encoder of that run"
            )
    return write_provenance(run, config, data.describe(), fingerprint)


def _one_seed(
    config: TrainConfig, seed: int, folder: Path, device: torch.device, progress: Progress,
    stop: StopRequest, features: dict[str, Tensor],
) -> bool:  # fmt: skip
    """Run a seed and write its files; return False if a signal stopped it."""
    data = open_task(config, seed)
    if config.run.init_from:
        check_cut(trained_cut(config.run.init_from), common_cut(data.stores), "the store")
    task = data.task(config)
    folder.mkdir(parents=True, exist_ok=True)
    network = make_network(config, seed, task.outputs, device)
    if config.run.freeze:
        key = "same" if config.run.init_from else str(seed)
        if key not in features:
            features.clear()
            features[key] = all_features(network, data, config, device)
    run = SeedRun(config, data, task, network, next(iter(features.values()), None), seed, folder,
                  progress)  # fmt: skip
    progress.total = run.total
    progress.say(f"seed {seed}: {data.text()}")
    result = run.run(stop)
    if result is None:
        return False
    predictions = result.pop("predictions")
    if not why_none(len(data.names)):
        balanced = config.finetune.class_weights == "balanced"
        result["baseline"] = baseline(data, balanced, seed)
    write_seed_predictions(folder / "predictions.parquet", seed, data, task, predictions)
    save_task(network, task, folder / MODEL_FOLDER, {"seed": seed, "cut": common_cut(data.stores)})
    write_json(folder / DONE, result)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    return True


def make_network(config: TrainConfig, seed: int, outputs: int, device: torch.device) -> TaskNetwork:
    """Return the encoder with a new head for one seed."""
    torch.manual_seed(seed)
    m, f = config.model, config.finetune
    if config.run.init_from:
        encoder = enable_gradients(load_encoder(config.run.init_from))
    else:
        encoder = build_encoder(m)
    if config.run.freeze:
        encoder.requires_grad_(False)
    elif config.optim.activation_checkpointing:
        recompute_attention(encoder)
    torch.manual_seed(seed)  # the same head with and without init_from
    head = HeadConfig(
        m.hidden, outputs, f.head_width, f.head_layers, f.dropout, f.view, f.pooling,
        config.run.freeze,
    )  # fmt: skip
    return TaskNetwork(encoder, head).to(device)


def enable_gradients(encoder: PharmHGT) -> PharmHGT:
    """Return the encoder with a gradient for every weight that its output depends on."""
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(encoder.config.junction or not is_junction(name))
    return encoder


@torch.no_grad()
def all_features(
    network: TaskNetwork, data: TaskData, config: TrainConfig, device: torch.device
) -> Tensor:
    """Return the pooled views of all peptides. [G, inputs] float32."""
    network.eval()
    loader = GraphLoader(data.stores, 256, shuffle=False, device=device, tier=config.data.tier)
    return torch.cat([network.features(batch).float() for batch in loader])


def finish(
    run: Path, config: TrainConfig, seeds: list[int], status: str, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Write predictions of all seeds and the summary; return the summary."""
    folders = [run / f"seed-{seed}" for seed in seeds if (run / f"seed-{seed}" / DONE).is_file()]
    done = [read_run_json(folder / DONE, DONE_FORM) for folder in folders]
    files = {"run": str(run)}
    joined: dict[str, Any] = {}
    if done:
        files["predictions"] = str(join_predictions(run, folders))
        joined = ensemble(pq.read_table(files["predictions"]))
    metrics = [one["metrics"] for one in done]
    trees = [one["baseline"] for one in done if "baseline" in one]
    several = [one["by_target"] for one in done if "by_target" in one]
    targets = max([1, *(len(found) for one in several for found in one.values())])
    warned = [f"seed {one['seed']}: {text}" for one in done for text in one.get("warnings", [])]
    summary = {
        "status": status, "exit_code": EXIT_CODES.get(status, 0),
        "task": config.finetune.task, "target": config.finetune.target,
        "seeds": len(seeds), "seeds_done": len(done), "metrics": mean_over_seeds(metrics),
        "by_target": {name: mean_over_seeds([one.get(name, {}) for one in several])
                      for found in several[:1] for name in found},
        "ensemble": joined, "baseline": mean_over_seeds(trees),
        "warnings": [*warned, *filter(None, [why_none(targets)] if done and not trees else [])],
        "by_seed": done, **provenance,
    }  # fmt: skip
    write_json(run / "summary.json", summary)
    files |= {name: str(path) for name, path in write_finetune_report(run, summary).items()}
    return {**summary, "files": files}


def mean_over_seeds(by_seed: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return set, or target, -> metric -> mean over the seeds with its confidence interval.

    Args:
        by_seed: set, or target, -> metric -> value of each seed.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for result in by_seed:
        for name, metrics in result.items():
            for key, value in metrics.items():
                number = np.nan if value is None else value
                found.setdefault(name, {}).setdefault(key, []).append(number)
    return {name: {k: interval(v) for k, v in metrics.items()} for name, metrics in found.items()}
