"""The ``[finetune]`` section of the configuration: what is predicted, from which vectors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from pepland_data.errors import InputError
from pepland_model.run.config_option import NOT_NEGATIVE, POSITIVE, SHARE_BELOW_1, option

TASKS = ("pretrain", "regression", "classification")
MONITORS = (
    "loss", "mae", "rmse", "r2", "spearman", "roc_auc", "pr_auc", "mcc", "accuracy",
)  # fmt: skip
OF_KIND = {"regression": MONITORS[:5], "classification": ("loss", *MONITORS[5:])}
"""Task -> figures that it has."""
DEFAULTS: dict[str, Any] = {
    "batch_size": 64, "lr": 5e-4, "optimizer": "adamw", "weight_decay": 0.01, "patience": 25,
    "checkpoint_minutes": 1.0, "clip": 5.0, "warmup_steps": 50, "schedule": "cosine",
}  # fmt: skip
"""Keys of other sections whose default is different for fine-tuning."""


# fmt: off
@dataclass(frozen=True)
class TaskConfig:
    """Fine-tuning on a column of a store. Pre-training uses none of these keys."""

    task: str = option(
        "pretrain", "What to train. regression and classification are fine-tuning.", TASKS)
    target: str = option(
        "", "Column of the store to predict (fine-tuning only). A regression may have several, "
        "comma-separated; * stands for any letters: logP,PEOE_*.")
    split: str = option(
        "default", "Name of a split recorded in the store. {seed} in it becomes the seed number.")
    folds: int = option(
        0, "Cross-validation in this number of parts: each is the test set once, and the next one "
        "the validation set. The parts are random, or the sets of --split. 0 means none.",
        NOT_NEGATIVE)
    seeds: int = option(
        1, "Number of fine-tuning runs, each with the next seed; with --folds, of each fold. "
        "Several give confidence intervals, and their mean is a better prediction.", POSITIVE)
    monitor: str = option(
        "loss", "Validation figure that decides the best epoch and --patience.", MONITORS)
    view: str = option(
        "both", "Input of the head: the pooled atom vectors, the pooled fragment vectors, or both "
        "concatenated.", ("both", "atom", "fragment"))
    pooling: str = option(
        "mean", "How the vectors of the nodes become one vector per peptide.", ("mean", "max"))
    head_width: int = option(256, "Width of the head's hidden layers.", POSITIVE)
    head_layers: int = option(
        1, "Number of hidden layers of the head. 0 means a linear head.", NOT_NEGATIVE)
    dropout: float = option(0.1, "Dropout rate in the head.", SHARE_BELOW_1)
    head_lr: float = option(
        1e-3, "Learning rate of the head. --lr is that of the encoder.", POSITIVE)
    class_weights: str = option(
        "balanced", "Weight of each class in the loss: balanced (inverse to its frequency), none, "
        "or one number per class, comma-separated: 1,3.")

    @property
    def runs(self) -> int:
        """Number of models that are trained."""
        return self.seeds * max(1, self.folds)

    @property
    def finetunes(self) -> bool:
        """Whether this is fine-tuning."""
        return self.task != "pretrain"
# fmt: on


def check_task(task: TaskConfig) -> None:
    """Raise InputError where the keys do not fit together."""
    if task.finetunes and not task.target:
        raise InputError(f"--task {task.task} needs --target, a column of the store")
    if task.finetunes and task.monitor not in OF_KIND[task.task]:
        raise InputError(
            f"monitor is {task.monitor!r}; for {task.task} choose from "
            f"{', '.join(OF_KIND[task.task])}"
        )
    if task.folds == 1:
        raise InputError("folds is 1; choose 2 or more, or 0 for none")
    given = [f.name for f in fields(task) if getattr(task, f.name) != f.default]
    if given and not task.finetunes:
        raise InputError(
            f"{given[0]} is for fine-tuning; give --task regression or classification too, or "
            "leave it out"
        )
