"""The network of fine-tuning: an encoder with a head for one property."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.files.json_forms import flag, items, maybe, one_of, real, record, text, whole
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.network.pooling import pooled_views, run_views
from pepland_model.run.checkpoint import write_checkpoint

WIDEST = 2**16
"""Most units of a layer of the head."""
SAVED = record(
    {
        "task": record(
            {
                "kind": one_of("regression", "classification"),
                "target": text,
                "classes": items(text),
                "mean": real,
                "std": real,
                "weights": items(real),
            }
        ),
        "head": record(
            {
                "width": whole(1, WIDEST),
                "outputs": whole(1, WIDEST),
                "hidden": whole(1, WIDEST),
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
"""What the state of a fine-tuned model holds."""


@dataclass(frozen=True)
class Task:
    """What a fine-tuned model predicts."""

    kind: str
    """``regression`` or ``classification``."""
    target: str
    """Name of the column."""
    classes: tuple[str, ...] = ()
    """Class names of a classification, in the order of the outputs."""
    mean: float = 0.0
    """Mean of the training targets of a regression; an output is (value - mean) / std."""
    std: float = 1.0
    """Standard deviation of the training targets of a regression."""
    weights: tuple[float, ...] = ()
    """Weight of each class in the loss."""

    @property
    def outputs(self) -> int:
        """Number of outputs of the head per peptide."""
        return len(self.classes) if self.kind == "classification" else 1

    def loss_sum(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return squared error in units of `std`, or weighted cross entropy, summed over rows.

        Args:
            outputs: [G, outputs] of the head.
            target: [G] float32 in the unit of the column, or int64 class.
        """
        if self.kind == "regression":
            return ((outputs.squeeze(1) - (target - self.mean) / self.std) ** 2).sum()
        weights = torch.tensor(self.weights, device=outputs.device)
        return cross_entropy(outputs, target, weight=weights, reduction="sum")

    def weight_sum(self, target: Tensor) -> Tensor:
        """Return the divisor of the loss of these rows: their number, or the sum of weights."""
        if self.kind == "regression":
            return torch.tensor(float(len(target)), device=target.device)
        return torch.tensor(self.weights, device=target.device)[target].sum()

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return values in the unit of the column [G, 1], or probabilities [G, C]. float32."""
        if self.kind == "regression":
            return outputs.float() * self.std + self.mean
        return outputs.float().softmax(1)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the task of a JSON file."""
        lists = {key: tuple(values[key]) for key in ("classes", "weights")}
        known = {f.name: values[f.name] for f in fields(cls)}
        return cls(**{**known, **lists})


@dataclass(frozen=True)
class HeadConfig:
    """Sizes and inputs of the head."""

    width: int
    """Number of inputs per peptide: the widths of its pooled views together."""
    outputs: int
    hidden: int = 256
    layers: int = 1
    dropout: float = 0.1
    view: str = "both"
    pooling: str = "mean"
    frozen: bool = False
    """Whether the encoder is frozen; then each input is standardized on its own."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the head of a JSON file."""
        return cls(**{f.name: values[f.name] for f in fields(cls)})


class Standardize(nn.Module):
    """Subtract the mean over the training peptides, and divide by the standard deviation.

    The differences between the pooled vectors of peptides are about a tenth of their common part,
    which layer norm would not remove. Mean and deviation are computed once, before the training.

    Args:
        width: number of inputs per peptide.
        each: whether each input has its own deviation. Otherwise all share the mean deviation: if
            the encoder is trained, an input that hardly varied at first would change too much in
            units of its own deviation.
    """

    def __init__(self, width: int, each: bool) -> None:
        super().__init__()
        self.each = each
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def fit(self, features: Tensor) -> None:
        """Store mean and deviation of [N, width] features; a tiny deviation is replaced by 1."""
        wide = features.double()
        std = wide.std(0, correction=0)
        if not self.each:
            std = std.mean().expand_as(std)
        floor = 0.01 * std.median()
        self.mean.copy_(wide.mean(0))
        self.std.copy_(torch.where(std > floor, std, torch.ones_like(std)))

    def forward(self, features: Tensor) -> Tensor:
        """Return the standardized features. [N, width]."""
        return (features - self.mean) / self.std


class TaskHead(nn.Sequential):
    """Standardized inputs, hidden layers with ReLU and dropout, and a linear layer."""

    def __init__(self, config: HeadConfig) -> None:
        parts: list[nn.Module] = [Standardize(config.width, config.frozen)]
        width = config.width
        for _ in range(config.layers):
            parts += [nn.Linear(width, config.hidden), nn.ReLU(), nn.Dropout(config.dropout)]
            width = config.hidden
        super().__init__(*parts, nn.Linear(width, config.outputs))

    def fit_inputs(self, features: Tensor) -> None:
        """Set mean and deviation of the inputs from [N, width] features of training peptides."""
        inputs = self[0]
        assert isinstance(inputs, Standardize)
        inputs.fit(features)


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
        """Return the concatenated pooled views of each peptide. [G, width]."""
        if isinstance(batch, VectorBatch):
            return batch.features
        view = self.config.view
        out = run_views(self.encoder, batch, view != "fragment", view != "atom")
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
