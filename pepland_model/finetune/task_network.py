"""The network of fine-tuning: an encoder with a head for one or more properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.files.json_forms import (
    either,
    flag,
    items,
    maybe,
    one_of,
    real,
    record,
    text,
    whole,
)
from pepland_model.finetune.readout import Normalize, Readout
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.network.pooling import pooled_views, run_views
from pepland_model.run.checkpoint import write_checkpoint

HUBER = 0.5
"""Deviations of the training targets from which an error counts linearly."""
WIDEST = 2**16
"""Most units of a layer of the head."""
SAVED = record(
    {
        "task": record(
            {
                "kind": one_of("regression", "classification"),
                "classes": items(text),
                "mean": either(real, items(real)),
                "std": either(real, items(real)),
                "weights": items(real),
            },
            {"target": text, "targets": items(text, 1)},
        ),
        "head": record(
            {
                "hidden": whole(1, WIDEST),
                "outputs": whole(1, WIDEST),
                "units": whole(1, WIDEST),
                "layers": whole(0, 1000),
                "dropout": real,
                "view": one_of("both", "atom", "fragment"),
                "pooling": one_of("mean", "max"),
                "frozen": flag,
            }
        ),
    },
    {"cut": maybe(text)},
)
"""What the state of a fine-tuned model holds; older ones have one ``target``."""


@dataclass(frozen=True)
class Task:
    """What a fine-tuned model predicts."""

    kind: str
    """``regression`` or ``classification``."""
    targets: tuple[str, ...]
    """Names of the T columns; a classification has one."""
    classes: tuple[str, ...] = ()
    """Class names of a classification, in the order of the outputs."""
    mean: tuple[float, ...] = ()
    """Mean of each training target of a regression; an output is (value - mean) / std."""
    std: tuple[float, ...] = ()
    """Standard deviation of each training target of a regression."""
    weights: tuple[float, ...] = ()
    """Weight of each class in the loss."""

    @property
    def outputs(self) -> int:
        """Number of outputs of the head per peptide."""
        return len(self.classes) if self.kind == "classification" else len(self.targets)

    @property
    def target(self) -> str:
        """Names of the columns, for people."""
        return ", ".join(self.targets)

    def loss_sum(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the Huber loss in units of `std`, or weighted cross entropy, summed over rows.

        The Huber loss is the squared error up to `HUBER` deviations, and grows linearly beyond:
        a few outliers, such as values at a limit of detection, do not decide what is learned.

        Args:
            outputs: [G, outputs] of the head.
            target: [G, T] float32 in the units of the columns, NaN if missing, which counts
                nothing; or [G] int64 class.
        """
        if self.kind == "regression":
            scaled = (target - target.new_tensor(self.mean)) / target.new_tensor(self.std)
            errors = smooth_l1_loss(outputs, scaled.nan_to_num(), reduction="none", beta=HUBER)
            return (errors * target.isfinite()).sum()
        weights = torch.tensor(self.weights, device=outputs.device)
        return cross_entropy(outputs, target, weight=weights, reduction="sum")

    def weight_sum(self, target: Tensor) -> Tensor:
        """Return the divisor of the loss: the number of known values, or the sum of weights."""
        if self.kind == "regression":
            return target.isfinite().sum().float()
        return torch.tensor(self.weights, device=target.device)[target].sum()

    def constant_loss(self, targets: Tensor, sets: Mapping[str, npt.NDArray[np.int64]]) -> float:
        """Return the validation loss of the constant that fits the training targets best.

        Args:
            targets: [G, T], or [G] classes, of all peptides.
            sets: rows of ``train`` and ``valid``.
        """
        train, valid = (targets.cpu()[torch.from_numpy(sets[name])] for name in ("train", "valid"))
        if self.kind == "regression":
            outputs = torch.zeros(1, self.outputs)
        else:
            counts = torch.bincount(train, minlength=self.outputs) * torch.tensor(self.weights)
            outputs = (counts / counts.sum()).clamp(min=1e-12).log().unsqueeze(0)
        loss = self.loss_sum(outputs.expand(len(valid), -1), valid) / self.weight_sum(valid)
        return float(loss)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return values in the units of the columns [G, T], or probabilities [G, C]. float32."""
        values = outputs.float()
        if self.kind == "regression":
            return values * values.new_tensor(self.std) + values.new_tensor(self.mean)
        return values.softmax(1)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the task of a JSON file."""
        given = {"targets": values.get("target", ""), **values}
        one = {key: given[key] for key in ("targets", "mean", "std")}
        several = {k: tuple(v) if isinstance(v, list) else (v,) for k, v in one.items()}
        lists = {key: tuple(values[key]) for key in ("classes", "weights")}
        return cls(values["kind"], **several, **lists)


@dataclass(frozen=True)
class HeadConfig:
    """Sizes and inputs of the head."""

    hidden: int
    """Width of the encoder's states."""
    outputs: int
    units: int = 256
    """Width of the hidden layers."""
    layers: int = 1
    dropout: float = 0.1
    view: str = "both"
    pooling: str = "mean"
    frozen: bool = False
    """Whether the encoder is frozen; then the inputs are its pooled states as they are."""

    @property
    def inputs(self) -> int:
        """Number of inputs per peptide."""
        if self.frozen:
            return self.hidden * (2 if self.view == "both" else 1)
        return Readout.width(self.hidden, self.view)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the head of a JSON file."""
        return cls(**{f.name: values[f.name] for f in fields(cls)})


class TaskHead(nn.Module):
    """The readout, normalized inputs, hidden layers with ReLU and dropout, and a linear layer."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        parts: list[nn.Module] = [Normalize(config.inputs)]
        width = config.inputs
        for _ in range(config.layers):
            parts += [nn.Linear(width, config.units), nn.ReLU(), nn.Dropout(config.dropout)]
            width = config.units
        self.layers = nn.Sequential(*parts, nn.Linear(width, config.outputs))
        self.readout = None
        if not config.frozen:
            self.readout = Readout(config.hidden, config.view, config.pooling)

    def forward(self, features: Tensor) -> Tensor:
        """Return the outputs. [G, outputs]."""
        outputs: Tensor = self.layers(features)
        return outputs


@dataclass(frozen=True, eq=False)
class VectorBatch:
    """The pooled views of some peptides, computed before."""

    graph_index: Tensor
    """[G] int64, number of each peptide."""
    features: Tensor
    """[G, width] float32."""

    @property
    def num_graphs(self) -> int:
        """Number of peptides."""
        return len(self.graph_index)


class TaskNetwork(nn.Module):
    """Encoder and head.

    Args:
        encoder: pre-trained or new.
        config: sizes and inputs of the head.
    """

    def __init__(self, encoder: PharmHGT, config: HeadConfig) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        self.head = TaskHead(config)

    def features(self, batch: HeteroBatch | VectorBatch) -> Tensor:
        """Return the inputs of the head for each peptide. [G, inputs]."""
        if isinstance(batch, VectorBatch):
            return batch.features
        view = self.config.view
        wanted = view != "fragment", view != "atom"
        if self.head.readout is not None:
            inputs: Tensor = self.head.readout(batch, self.encoder.embeddings(batch, *wanted))
            return inputs
        out = run_views(self.encoder, batch, *wanted)
        return torch.cat(pooled_views(batch, out, self.config.view, self.config.pooling), 1)

    def forward(self, batch: HeteroBatch | VectorBatch) -> Tensor:
        """Return the outputs of the head. [G, outputs]."""
        outputs: Tensor = self.head(self.features(batch))
        return outputs


def save_task(network: TaskNetwork, task: Task, folder: Path, facts: dict[str, Any]) -> Path:
    """Write encoder, head and task as a checkpoint folder, complete or not at all."""
    state = {"task": asdict(task), "head": asdict(network.config), **facts}
    tensors = {"head": network.head.state_dict()}
    return write_checkpoint(folder, state, tensors, network.encoder.save)
