"""Run a tiny pre-training in a process of its own, so that tests can kill it.

Usage: python -m tests.helpers.pretrain_worker OUT [key=value ...]
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import sys
from unittest import mock

import torch

from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.run.config import TrainConfig, with_flags
from pepland_model.run.run_data import RunData, part_size, split_rows
from pepland_model.train import pretrain as pretrain_module
from pepland_model.train.pretrain_network import PretrainNetwork
from tests.helpers.pretrain_data import PlainLoader, TinyEncoder, TinyHeads, golden_columns

DEFAULTS = {
    "shards": ("golden",),
    "batch_size": 8,
    "max_steps": 30,
    "log_every": 1,
    "eval_every": 10,
    "checkpoint_every": 5,
    "valid_fraction": 0.2,
    "device": "cpu",
    "lr": 1e-2,
}


def open_golden(config, world, carried) -> RunData:
    """Stand in for `open_data`: golden graphs, split by the real split."""
    train, valid = split_rows(36, config.data.valid_fraction, config.data.split_seed)
    smiles = golden_columns()[1].host.fragment_smiles
    vocabulary = carried or Vocabulary(tuple(sorted(set(smiles) - {""}))[:40])
    share = part_size(config.data, world)
    loader = PlainLoader(train, share, True, config.run.seed, world.rank, world.size)
    held = PlainLoader(valid, 8, False, 0, world.rank, world.size) if len(valid) else None
    steps = -(-len(loader) // config.data.accumulate)
    return RunData(loader, held, vocabulary, steps, {"rows": train.tolist()}, {"peptides": 36})


def build_tiny(model, vocabulary, bonds) -> PretrainNetwork:
    """Stand in for `build_network`."""
    classes = -(-(len(vocabulary) + 1) // 8) * 8
    return PretrainNetwork(TinyEncoder(), TinyHeads(24, classes), vocabulary, bonds)


def save_tiny(network, folder) -> None:
    """Stand in for `save_network`."""
    network.vocabulary.write(folder / "vocab.txt")


def run(out: str, **flags):
    """Pre-train with the stand-ins; flags as in `pepland_model.run.config`."""
    config = with_flags(TrainConfig(), {**DEFAULTS, "out": str(out), **flags})
    with (
        mock.patch.object(pretrain_module, "open_data", open_golden),
        mock.patch.object(pretrain_module, "build_network", build_tiny),
        mock.patch("pepland_model.train.trainer.save_network", save_tiny),
    ):
        return pretrain_module.pretrain(config)


def losses(out) -> list[tuple[str, int, float]]:
    """Return kind, step and exact loss of every line of metrics."""
    from pepland_model.run.log import events

    return [(e["kind"], e["step"], e["loss"]) for e in events(out) if e["kind"] != "start"]


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
    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    if "die" in given:
        where, _, count = given.pop("die").rpartition("@")
        if int(given.pop("rank", "0")) == int(os.environ.get("RANK", "0")):
            die_at(where, int(count))
    summary = run(sys.argv[1], **{key: json.loads(value) for key, value in given.items()})
    sys.exit(0 if summary is None else summary["exit_code"])
