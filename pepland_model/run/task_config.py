"""The configuration section of fine-tuning: what is predicted, from which vectors, how often."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from pepland_data.errors import InputError
from pepland_model.run.option import option

TASKS = ("pretrain", "regression", "classification")
DEFAULTS: dict[str, Any] = {
    "batch_size": 32, "lr": 1e-4, "optimizer": "adamw", "weight_decay": 0.01, "patience": 10,
    "checkpoint_minutes": 1.0, "clip": 1.0, "warmup_steps": 20,
}  # fmt: skip
"""What fine-tuning sets differently from pre-training, unless it is given."""


@dataclass(frozen=True)
class TaskConfig:
    """Fine-tuning on a column of a store; nothing here matters to pre-training."""

    task: str = option("pretrain", "What is trained; the last two fine-tune.", TASKS)
    target: str = option("", "Fine-tuning: column of the store that is predicted.")
    split: str = option("default", "Recorded split; {seed} in the name stands for the seed.")
    seeds: int = option(1, "Fine-tuning runs, each with the next seed; figures get intervals.")
    view: str = option("both", "Pooled views the head sees, side by side.",
                       ("both", "atom", "fragment"))  # fmt: skip
    pooling: str = option("mean", "How nodes become a peptide's vector.", ("mean", "max"))
    head_width: int = option(256, "Width of the head's hidden layers.")
    head_layers: int = option(1, "Hidden layers of the head; 0: a linear head.")
    dropout: float = option(0.1, "Dropout in the head.")
    head_lr: float = option(1e-3, "Learning rate of the head; --lr is the encoder's.")
    class_weights: str = option("balanced", "balanced, none, or one a class: 1,3.")

    @property
    def finetunes(self) -> bool:
        """Whether this is fine-tuning."""
        return self.task != "pretrain"


def check_task(task: TaskConfig) -> None:
    """Raise InputError for a number that cannot be."""
    numbers = {"seeds": task.seeds, "head_width": task.head_width, "head_lr": task.head_lr}
    for key, number in numbers.items():
        if number <= 0:
            raise InputError(f"{key} is {number}; it must be above 0")
    if task.head_layers < 0:
        raise InputError(f"head_layers is {task.head_layers}; it must be 0 or more")
    if not 0 <= task.dropout < 1:
        raise InputError(f"dropout is {task.dropout}; it must lie in 0 to 1, 1 excluded")
    if task.finetunes and not task.target:
        raise InputError(f"--task {task.task} needs --target, a column of the store")
    given = [f.name for f in fields(task) if getattr(task, f.name) != f.default]
    if given and not task.finetunes:
        raise InputError(
            f"{given[0]} is for fine-tuning; give --task regression or classification too, or "
            "leave it out"
        )
