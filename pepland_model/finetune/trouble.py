"""Signs that a fine-tuning does not learn, as sentences that say what to do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_model.finetune.metrics import deviation
from pepland_model.finetune.task_network import Task

CONSTANT = 1e-3
"""Predictions vary less than this share of the targets: they are one constant."""
VANISHED = 1e-8
"""A gradient of a smaller norm changes nothing."""


def constant_predictions(
    task: Task, predictions: npt.NDArray[np.float32], target: npt.NDArray[Any]
) -> str:
    """Return a sentence if the predictions of a set are all the same, else ''.

    Args:
        task: the task.
        predictions: [N, T] values or [N, C] probabilities.
        target: [N, T] values, NaN if missing, or [N] classes.
    """
    unit = np.ones(predictions.shape[1])
    if task.kind == "regression":
        unit = np.array([deviation(column) for column in target.T])
    varies = unit == unit  # a target that is constant, or missing everywhere, says nothing
    spread = predictions.std(0)[varies] / unit[varies]
    if len(predictions) < 2 or not len(spread) or spread.max() >= CONSTANT:
        return ""
    value = ", ".join(f"{share:.3g}" for share in predictions.mean(0))
    return (
        f"all predictions are the same ({value}): the network does not tell the peptides apart; "
        "try a lower --lr and --head-lr, more --warmup-steps, or --freeze"
    )


def no_better_than_mean(task: Task, best_loss: float | None, mean_loss: float) -> str:
    """Return a sentence if the best validation loss does not beat one constant, else ''.

    Args:
        task: the task.
        best_loss: lowest validation loss; None without a validation set.
        mean_loss: validation loss of the constant that fits the training targets best.
    """
    if best_loss is None or best_loss < mean_loss or not mean_loss:
        return ""
    constant = "mean" if task.kind == "regression" else "class shares"
    return (
        f"the best validation loss {best_loss:.4f} is not below that of the {constant} of the "
        f"training targets, {mean_loss:.4f}: nothing was learned that holds for other peptides; "
        "check --target and --split, train longer, or see what the baseline reaches"
    )


def vanished_gradient(norm: float) -> str:
    """Return a sentence if a gradient of this norm changes nothing, else ''."""
    if math.isnan(norm) or norm >= VANISHED:
        return ""
    return (
        f"the gradient has vanished (norm {norm:.1e}): training changes nothing any more; try a "
        "lower --lr and --head-lr, with another --out"
    )
