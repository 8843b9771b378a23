"""Signs that a fine-tuning does not learn, as sentences that say what to do."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pepland_model.finetune.task_network import Task

CONSTANT = 1e-3
"""Predictions vary less than this share of the targets: they are one constant."""
VANISHED = 1e-8
"""A gradient of a smaller norm changes nothing."""


def constant_predictions(
    task: Task, predictions: npt.NDArray[np.float32], target: npt.NDArray[np.generic]
) -> str:
    """Return a sentence if the predictions of a set are all the same, else ''.

    Args:
        task: the task.
        predictions: [N, 1] values or [N, C] probabilities.
        target: [N] values or classes.
    """
    spread, unit = float(predictions.std(0).max()), 1.0
    if task.kind == "regression":
        unit = float(np.std(target.astype(np.float64)))
    if len(predictions) < 2 or not unit or spread >= CONSTANT * unit:
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
