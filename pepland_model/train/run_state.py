"""Everything a run has to remember, as tensors and JSON, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pepland_model.run.checkpoint import Checkpoint, CheckpointError
from pepland_model.train.loss import TERMS
from pepland_model.train.optim import load_optimizer_tensors, optimizer_tensors
from pepland_model.train.step import Stepper


@dataclass
class RunState:
    """Where a run is."""

    step: int = 0
    """Optimizer steps done."""
    best_loss: float = float("inf")
    """Lowest validation loss."""
    best_step: int = 0
    """Step it was seen at."""
    without_gain: int = 0
    """Evaluations since then."""
    evaluated_step: int = -1
    """Step of the last evaluation."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What it found."""
    window_steps: int = 0
    """Steps since the last line of metrics."""
    window: Tensor = field(default_factory=lambda: torch.zeros(len(TERMS), 3, dtype=torch.float64))
    """[3, 3] float64, tallies since then, over all ranks."""


def state_tensors(stepper: Stepper, state: RunState) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of a checkpoint by file."""
    weights = stepper.network.state_dict()
    average = stepper.average.average if stepper.average is not None else {}
    generators = {"cpu": torch.get_rng_state()}
    if stepper.world.device.type == "cuda":
        generators["cuda"] = torch.cuda.get_rng_state(stepper.world.device)
    return {
        "weights": weights,
        "optimizer": optimizer_tensors(stepper.optimizer, stepper.named),
        "average": dict(average),
        "generators": generators,
        "window": {"window": state.window},
    }


def state_values(stepper: Stepper, state: RunState, feed: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON values of a checkpoint."""
    return {
        "step": state.step,
        "best_loss": None if state.best_loss == float("inf") else state.best_loss,
        "best_step": state.best_step,
        "without_gain": state.without_gain,
        "evaluated_step": state.evaluated_step,
        "metrics": state.metrics,
        "window_steps": state.window_steps,
        "scaler": stepper.scaler.state_dict(),
        "feed": feed,
        "threads": torch.get_num_threads(),
    }


def restore(stepper: Stepper, checkpoint: Checkpoint) -> RunState:
    """Put a checkpoint's weights, optimizer, averages and generators back in place."""
    tensors, values = checkpoint.tensors, checkpoint.state
    load_weights(stepper, tensors["weights"], checkpoint.path)
    load_optimizer_tensors(stepper.optimizer, stepper.named, tensors.get("optimizer", {}))
    if stepper.average is not None:
        stepper.average.load(tensors.get("average", {}))
    if values["scaler"]:
        stepper.scaler.load_state_dict(values["scaler"])
    _restore_generators(stepper, tensors["generators"])
    best = values["best_loss"]
    return RunState(
        step=values["step"],
        best_loss=float("inf") if best is None else best,
        best_step=values["best_step"],
        without_gain=values["without_gain"],
        evaluated_step=values["evaluated_step"],
        metrics=values["metrics"],
        window_steps=values["window_steps"],
        window=tensors["window"]["window"],
    )


def warn_of_threads(state: Mapping[str, Any], device: torch.device) -> None:
    """Warn where a run on a CPU goes on with another number of threads than it had.

    Args:
        state: of the checkpoint; one without a key ``threads`` says nothing.
        device: where the run goes on.
    """
    before, now = state.get("threads"), torch.get_num_threads()
    if device.type == "cpu" and before not in (None, now):
        warnings.warn(
            f"the checkpoint was written with {before} CPU threads, this process has {now}: sums "
            f"are split otherwise, so losses differ in their last digits; OMP_NUM_THREADS={before} "
            "gives the same bits",
            stacklevel=2,
        )


def load_weights(stepper: Stepper, weights: dict[str, Tensor], path: Path | None) -> None:
    """Load encoder and heads; CheckpointError names the first thing that does not fit."""
    own = stepper.network.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        mine, theirs = own.get(name), weights.get(name)
        if mine is None or theirs is None or mine.shape != theirs.shape:
            shapes = [None if t is None else tuple(t.shape) for t in (theirs, mine)]
            raise CheckpointError(
                f"checkpoint {path} is of another model: {name} is {shapes[0]} there and "
                f"{shapes[1]} here; use the configuration of that run"
            )
    stepper.network.load_state_dict(weights)


def _restore_generators(stepper: Stepper, generators: dict[str, Tensor]) -> None:
    torch.set_rng_state(generators["cpu"])
    if stepper.world.device.type == "cuda" and "cuda" in generators:
        torch.cuda.set_rng_state(generators["cuda"], stepper.world.device)
