"""The state of a pre-training run as the tensors and JSON values of a checkpoint, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pepland_data.files.json_forms import (
    any_real,
    anything,
    mapping,
    maybe,
    record,
    settings,
    text,
    whole,
)
from pepland_model.run.checkpoint import Checkpoint, CheckpointError, refused_if_unusable
from pepland_model.train.loss import TERMS
from pepland_model.train.optim import load_optimizer_tensors, optimizer_tensors
from pepland_model.train.step import PretrainUpdater

FEED = record(
    {
        "epoch": whole(),
        "step_in_epoch": whole(),
        "loader": record(
            {"epoch": whole(), "position": whole()},
            {"seed": whole(-(2**63)), "num_graphs": whole()},
        ),
    }
)
"""Position in the training batches, of `StepBatches`."""
PROGRAM = record(
    {"graphs": whole(), "rows": mapping(whole()), "rooms": mapping(whole()), "salt": whole()}
)
"""Sizes of the arrays of a recorded step, see `FixedProgram.sizes`."""
PRETRAIN = record(
    {
        **dict.fromkeys(("step", "best_step", "without_gain", "window_steps"), whole()),
        "evaluated_step": whole(-1),
        "best_loss": maybe(any_real),
        "metrics": mapping(any_real),
        "scaler": mapping(any_real),
        "feed": FEED,
        "config": settings,
        "data": anything,
    },
    {"threads": maybe(whole()), "cut": maybe(text), "program": maybe(PROGRAM)},
)
"""What a checkpoint of pre-training holds."""


@dataclass
class RunState:
    """Progress of a run."""

    step: int = 0
    """Optimizer steps done."""
    best_loss: float = float("inf")
    """Lowest validation loss."""
    best_step: int = 0
    """Step with the lowest validation loss."""
    without_gain: int = 0
    """Evaluations since then."""
    evaluated_step: int = -1
    """Step of the last evaluation."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics of the last evaluation."""
    window_steps: int = 0
    """Steps since the last line of metrics."""
    window: Tensor = field(default_factory=lambda: torch.zeros(len(TERMS), 3, dtype=torch.float64))
    """[3, 3] float64, sum of the tallies of these steps, over all ranks."""


def state_tensors(updater: PretrainUpdater, state: RunState) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of a checkpoint: file stem -> name -> tensor."""
    weights = updater.network.state_dict()
    average = updater.average.average if updater.average is not None else {}
    return {
        "weights": weights,
        "optimizer": optimizer_tensors(updater.optimizer, updater.named),
        "average": dict(average),
        "generators": generator_states(updater.device),
        "window": {"window": state.window},
    }


def state_values(
    updater: PretrainUpdater, state: RunState, position: dict[str, Any]
) -> dict[str, Any]:
    """Return the JSON values of a checkpoint; `position` is that of the training batches."""
    return {
        "step": state.step,
        "best_loss": None if state.best_loss == float("inf") else state.best_loss,
        "best_step": state.best_step,
        "without_gain": state.without_gain,
        "evaluated_step": state.evaluated_step,
        "metrics": state.metrics,
        "window_steps": state.window_steps,
        "scaler": updater.scaler.state_dict(),
        "feed": position,
        "threads": torch.get_num_threads(),
    }


def restore(updater: PretrainUpdater, checkpoint: Checkpoint) -> RunState:
    """Load a checkpoint into weights, optimizer, average and generators; return the progress.

    Raises:
        CheckpointError: a tensor is missing, or does not fit.
    """
    with refused_if_unusable(checkpoint.path):
        return _restore(updater, checkpoint)


def _restore(updater: PretrainUpdater, checkpoint: Checkpoint) -> RunState:
    tensors, values = checkpoint.tensors, checkpoint.state
    load_weights(updater, tensors["weights"], checkpoint.path)
    load_optimizer_tensors(updater.optimizer, updater.named, tensors.get("optimizer", {}))
    if updater.average is not None:
        updater.average.load(tensors.get("average", {}))
    if values["scaler"]:
        updater.scaler.load_state_dict(values["scaler"])
    restore_generators(tensors["generators"], updater.device)
    best = values["best_loss"]
    return RunState(
        step=values["step"],
        best_loss=float("inf") if best is None else best,
        best_step=values["best_step"],
        without_gain=values["without_gain"],
        evaluated_step=values["evaluated_step"],
        metrics=values["metrics"],
        window_steps=values["window_steps"],
        window=tensors["window"]["window"].double().reshape(len(TERMS), 3),
    )


def warn_if_threads_differ(state: Mapping[str, Any], device: torch.device) -> None:
    """Warn if a run on a CPU is resumed with another number of threads.

    Args:
        state: JSON values of the checkpoint; the key ``threads`` may be missing.
        device: device of the resumed run.
    """
    before, now = state.get("threads"), torch.get_num_threads()
    if device.type == "cpu" and before not in (None, now):
        warnings.warn(
            f"the checkpoint was written with {before} CPU threads, this process has {now}, so the "
            f"losses differ in their last digits; set OMP_NUM_THREADS={before} for bit-identical "
            "losses",
            stacklevel=2,
        )


def load_weights(updater: PretrainUpdater, weights: dict[str, Tensor], path: Path | None) -> None:
    """Load encoder and heads; CheckpointError names the first weight that does not fit."""
    own = updater.network.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        shapes = [
            tuple(tensors[name].shape) if name in tensors else "absent"
            for tensors in (weights, own)
        ]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"checkpoint {path} is of another model: {name} is {shapes[0]} there and "
                f"{shapes[1]} here; use the configuration of that run"
            )
    updater.network.load_state_dict(weights)


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the random generators of CPU and device."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def restore_generators(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore the states of `generator_states`."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
