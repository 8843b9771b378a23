"""An encoder with a head for one property, and what the head's outputs mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.network.pooling import pooled_views, run_views
from pepland_model.run.checkpoint import write_checkpoint


@dataclass(frozen=True)
class Task:
    """What is predicted."""

    kind: str
    """``regression`` or ``classification``."""
    target: str
    """Name of the column."""
    classes: tuple[str, ...] = ()
    """Of a classification, in the order of the outputs."""
    mean: float = 0.0
    """Of the training targets of a regression; outputs are in units of `std` around it."""
    std: float = 1.0
    """Of the same."""
    weights: tuple[float, ...] = ()
    """What an error in each class costs."""

    @property
    def outputs(self) -> int:
        """Numbers the head returns for each peptide."""
        return len(self.classes) if self.kind == "classification" else 1

    def loss_sum(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return squared error in units of `std`, or weighted cross entropy, summed over rows.

        Args:
            outputs: [G, outputs], of the head.
            target: [G] float32 in the column's unit, or int64 class.
        """
        if self.kind == "regression":
            return ((outputs.squeeze(1) - (target - self.mean) / self.std) ** 2).sum()
        weights = torch.tensor(self.weights, device=outputs.device)
        return cross_entropy(outputs, target, weight=weights, reduction="sum")

    def weight_sum(self, target: Tensor) -> Tensor:
        """Return what the loss of these rows is divided by: their number, or sum of weights."""
        if self.kind == "regression":
            return torch.tensor(float(len(target)), device=target.device)
        return torch.tensor(self.weights, device=target.device)[target].sum()

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return values in the column's unit [G, 1], or probabilities [G, C]. float32."""
        if self.kind == "regression":
            return outputs.float() * self.std + self.mean
        return outputs.float().softmax(1)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the task of a JSON file."""
        lists = {key: tuple(values[key]) for key in ("classes", "weights")}
        return cls(**{**values, **lists})


@dataclass(frozen=True)
class HeadConfig:
    """Sizes of the head and what it sees."""

    width: int
    """Numbers a peptide's pooled views have together."""
    outputs: int
    hidden: int = 256
    layers: int = 1
    dropout: float = 0.1
    view: str = "both"
    pooling: str = "mean"
    frozen: bool = False
    """Whether the inputs stay what they are, so that each may be standardized by itself."""


class Standardize(nn.Module):
    """Inputs minus their mean over the training peptides, in units of their spread there.

    Pooled vectors of different peptides differ by a tenth of what they have in common; the head
    should see the differences. (Layer norm takes the mean of each peptide's own numbers away, which
    leaves the common part in.) The numbers are those of the encoder before training, and stay.

    Args:
        width: numbers a peptide.
        each: units of each input by itself. Else one unit for all, the mean of their standard
            deviations: where the encoder is trained along, a small change of an input that hardly
            varied at first would be a large one in units of its own.
    """

    def __init__(self, width: int, each: bool) -> None:
        super().__init__()
        self.each = each
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def fit(self, features: Tensor) -> None:
        """Take mean and standard deviation of [N, width] features; tiny ones are not blown up."""
        wide = features.double()
        std = wide.std(0, correction=0)
        if not self.each:
            std = std.mean().expand_as(std)
        floor = 0.01 * std.median()
        self.mean.copy_(wide.mean(0))
        self.std.copy_(torch.where(std > floor, std, torch.ones_like(std)))

    def forward(self, features: Tensor) -> Tensor:
        """Return [N, width]."""
        return (features - self.mean) / self.std


class TaskHead(nn.Sequential):
    """Normalized inputs, hidden layers with ReLU and dropout, and a linear layer."""

    def __init__(self, config: HeadConfig) -> None:
        parts: list[nn.Module] = [Standardize(config.width, config.frozen)]
        width = config.width
        for _ in range(config.layers):
            parts += [nn.Linear(width, config.hidden), nn.ReLU(), nn.Dropout(config.dropout)]
            width = config.hidden
        super().__init__(*parts, nn.Linear(width, config.outputs))

    def fit_inputs(self, features: Tensor) -> None:
        """Standardize by the [N, width] features of the training peptides before training."""
        inputs = self[0]
        assert isinstance(inputs, Standardize)
        inputs.fit(features)


@dataclass(frozen=True, eq=False)
class VectorBatch:
    """Pooled views of some peptides, in place of their graphs."""

    graph_index: Tensor
    """[G] int64, row of each peptide."""
    features: Tensor
    """[G, width] float32."""

    @property
    def num_graphs(self) -> int:
        """Number of peptides."""
        return len(self.graph_index)


class TaskNetwork(nn.Module):
    """What is fine-tuned.

    Args:
        encoder: pre-trained or fresh.
        config: of the head.
    """

    def __init__(self, encoder: PharmHGT, config: HeadConfig) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        self.head = TaskHead(config)

    def features(self, batch: HeteroBatch | VectorBatch) -> Tensor:
        """Return the pooled views of each peptide, side by side. [G, width]."""
        if isinstance(batch, VectorBatch):
            return batch.features
        view = self.config.view
        out = run_views(self.encoder, batch, view != "fragment", view != "atom")
        return torch.cat(pooled_views(batch, out, self.config.view, self.config.pooling), 1)

    def forward(self, batch: HeteroBatch | VectorBatch) -> Tensor:
        """Return the head's outputs, [G, outputs]."""
        outputs: Tensor = self.head(self.features(batch))
        return outputs


def view_count(view: str) -> int:
    """Return how many pooled views stand side by side."""
    return 2 if view == "both" else 1


def save_task(network: TaskNetwork, task: Task, folder: Path, facts: dict[str, Any]) -> Path:
    """Write encoder, head and task as a checkpoint folder, whole or not at all."""
    state = {"task": asdict(task), "head": asdict(network.config), **facts}
    tensors = {"head": network.head.state_dict()}
    return write_checkpoint(folder, state, tensors, network.encoder.save)
