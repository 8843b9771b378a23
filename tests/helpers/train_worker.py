"""Small training runs: in this process, or in a process of their own that a test can kill.

The processes are forked from a server that has imported everything, so each starts at once.
Usage for ``torchrun``: python -m tests.helpers.train_worker OUT STEPS
"""

from __future__ import annotations

import importlib
import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.finetune.finetune import finetune
from pepland_model.run.config import TrainConfig, task_defaults, with_flags
from pepland_model.run.log import events
from pepland_model.run.run_stores import split_rows
from pepland_model.train import pretrain as pretrain_module
from pepland_model.train.pretrain_network import PretrainNetwork
from pepland_model.train.train_data import RunData, part_size
from tests.helpers.pretrain_data import PlainLoader, TinyEncoder, TinyHeads, golden_columns

PRETRAIN = {
    "shards": ("golden",), "batch_size": 8, "max_steps": 30, "log_every": 1, "eval_every": 10,
    "checkpoint_every": 5, "valid_fraction": 0.2, "device": "cpu", "lr": 1e-2,
}  # fmt: skip
FINETUNE = {
    "task": "regression", "target": "affinity", "hidden": 16, "depth": 2, "epochs": 4,
    "batch_size": 8, "device": "cpu", "seeds": 2, "log_every": 1, "checkpoint_minutes": 1e-9,
    "patience": 0, "lr": 1e-3,
}  # fmt: skip


def open_golden(config, processes, source_vocabulary) -> RunData:
    """Replace `open_data`: golden graphs, split as the data of a run."""
    train, valid = split_rows(36, config.data.valid_fraction, config.data.split_seed)
    smiles = golden_columns()[1].host.fragment_smiles
    vocabulary = source_vocabulary or Vocabulary(tuple(sorted(set(smiles) - {""}))[:40])
    share, rank, size = part_size(config.data, processes), processes.rank, processes.size
    loader = PlainLoader(train, share, True, config.run.seed, rank, size)
    held = PlainLoader(valid, 8, False, 0, rank, size) if len(valid) else None
    steps = -(-len(loader) // config.data.accumulate)
    return RunData(loader, held, vocabulary, steps, {"rows": train.tolist()}, {"peptides": 36})


def build_tiny(model, vocabulary, bonds) -> PretrainNetwork:
    """Replace `build_network`."""
    classes = -(-(len(vocabulary) + 1) // 8) * 8
    return PretrainNetwork(TinyEncoder(), TinyHeads(24, classes), vocabulary, bonds)


def save_tiny(network, folder) -> None:
    """Replace `save_network`."""
    network.vocabulary.write(folder / "vocab.txt")


def no_file(run) -> None:
    """Replace functions that write files for people, which takes longer than a small run."""


def no_drawing() -> str:
    """Replace `missing_packages`: drawing a report takes longer than a small run."""
    return "time"


def pretrain_tiny(out: str | Path, pictures: bool = False, **flags):
    """Pre-train a tiny network on golden graphs; flags as in `pepland_model.run.config`."""
    config = with_flags(TrainConfig(), {**PRETRAIN, "out": str(out), **flags})
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(pretrain_module, "open_data", open_golden))
        stack.enter_context(mock.patch.object(pretrain_module, "build_network", build_tiny))
        stack.enter_context(mock.patch("pepland_model.train.trainer.save_network", save_tiny))
        if not pictures:
            stack.enter_context(mock.patch("pepland_model.run.report.missing_packages", no_drawing))
            stack.enter_context(mock.patch("pepland_model.run.log.tensorboard_writer", no_file))
        return pretrain_module.pretrain(config)


def finetune_small(store: str | Path, out: str | Path, pictures: bool = False, **flags):
    """Fine-tune a small network on a store; flags as in `pepland_model.run.config`."""
    given = {**FINETUNE, "shards": (str(store),), "out": str(out), **flags}
    with ExitStack() as stack:
        stack.enter_context(mock.patch("pepland_model.run.log.tensorboard_writer", no_file))
        if not pictures:
            stack.enter_context(mock.patch("pepland_model.run.report.missing_packages", no_drawing))
        return finetune(with_flags(task_defaults("regression"), given))


def losses(out: str | Path, kind: str | None = None) -> list[tuple[str, int, float]]:
    """Return kind, step and exact loss of the lines of metrics."""
    return [(e["kind"], e["step"], e["loss"]) for e in events(out, kind) if e["kind"] != "start"]


def start(
    train: Callable[..., Any], *arguments: Any, die: str = "", environment=None, **flags: Any
) -> ForkServerProcess:
    """Start a run in a process of its own.

    Args:
        train: `pretrain_tiny` or `finetune_small`.
        arguments: of that function.
        die: ``module:attribute@n``: the process kills itself at the n-th call of this function.
        environment: variables of the process.
        flags: of that function.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.helpers.train_worker"])
    given = (train, arguments, flags, die, environment or {})
    process = context.Process(target=_run, args=given)
    process.start()
    return process


def end(process: ForkServerProcess) -> int:
    """Wait for a process and return its exit code, the negative signal number of a killed one."""
    process.join(120)
    ended = process.exitcode is not None
    process.kill()
    assert ended
    return process.exitcode


def _run(train, arguments, flags, die, environment) -> None:
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    torch.set_num_threads(1)
    if die:
        where, _, count = die.rpartition("@")
        die_at(where, int(count))
    summary = train(*arguments, **flags)
    sys.exit(0 if summary is None else summary["exit_code"])


def die_at(target: str, call: int) -> None:
    """Make the process kill itself, as kill -9 does, at the n-th call of a function.

    Args:
        target: ``module:attribute`` or ``module:Class.method``.
        call: 1 for the first call.
    """
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module)
    for step in owners:
        owner = getattr(owner, step)
    original, calls = getattr(owner, name), itertools.count(1)

    def fatal(*arguments, **options):
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(owner, name, fatal)


if __name__ == "__main__":
    torch.set_num_threads(1)
    pretrain_tiny(sys.argv[1], max_steps=int(sys.argv[2]))
