"""From the states of the nodes to the vector of a peptide, with layers that are fine-tuned.

The network has no normalization. The states of two nodes differ little, and the means over two
peptides differ by a hundredth of that, while a few steps of training move what all have in common
by more. So the states are normalized over the nodes of a batch, pass a layer with ReLU, which
turns them into something that can be counted, and are normalized again before and after pooling
(batch normalization, Ioffe and Szegedy 2015).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.output import Round
from pepland_model.network.pooling import pool
from pepland_model.network.segments import take


class Normalize(nn.BatchNorm1d):
    """Batch normalization whose statistics for evaluation are those of `fit_statistics`.

    A running mean lags behind: in the steps that it covers, the states move by more than they
    differ. A batch of one row has no statistics; it is normalized as in evaluation.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-8, momentum=None)

    def forward(self, rows: Tensor, repeats: Tensor | None = None, total: int = 0) -> Tensor:
        """Return the normalized rows. [N, width].

        Args:
            rows: [N, width].
            repeats: [N] float32, how often each row counts; None: once.
            total: sum of `repeats`.
        """
        if self.training and (len(rows) if repeats is None else total) == 1:
            known = self.running_mean, self.running_var, self.weight, self.bias
            return batch_norm(rows, *known, training=False, eps=self.eps)
        if repeats is None or not self.training:
            return super().forward(rows)
        share = (repeats / total).unsqueeze(1)  # no product of matrices: it would have 16 bits
        mean = (share * rows).sum(0)
        centred = rows - mean
        variance = (share * centred.square()).sum(0)
        self._remember(mean.detach(), variance.detach() * (total / (total - 1)))
        return centred * ((variance + self.eps).rsqrt() * self.weight) + self.bias

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Add a batch to the means over all batches since the last reset."""
        self.num_batches_tracked += 1
        self.running_mean += (mean - self.running_mean) / self.num_batches_tracked
        self.running_var += (variance - self.running_var) / self.num_batches_tracked


class Readout(nn.Module):
    """Pooled states of atoms and fragments, and the sizes of the peptide.

    Args:
        hidden: width of the states.
        view: ``atom``, ``fragment`` or ``both``.
        pooling: ``mean`` or ``max`` over the nodes.
    """

    def __init__(self, hidden: int, view: str, pooling: str) -> None:
        super().__init__()
        views = ("atom", "fragment") if view == "both" else (view,)
        self.nodes = nn.ModuleDict({name: NodeLayers(hidden) for name in views})
        self.pooling = pooling

    @staticmethod
    def width(hidden: int, view: str) -> int:
        """Return the number of entries of the vector of a peptide."""
        return hidden * (2 if view == "both" else 1) + 2

    def forward(self, batch: HeteroBatch, embeddings: Mapping[str, Round]) -> Tensor:
        """Return the vector of each peptide. [G, width].

        Args:
            batch: input of the encoder.
            embeddings: of ``atom`` and ``fragment``, as `PharmHGT.embeddings` returns them.
        """
        pointers = {"atom": batch.atom_ptr, "fragment": batch.fragment_ptr}
        pooled = [
            pool(layers(embeddings[name]), pointers[name], self.pooling)
            for name, layers in self.nodes.items()
        ]
        sizes = [ptr.diff().clamp(min=1).float().log() for ptr in pointers.values()]
        return torch.cat([*pooled, torch.stack(sizes, 1)], 1)


class NodeLayers(nn.Sequential):
    """The layers that a node passes before pooling; equal states pass them once.

    Args:
        hidden: width of the states.
    """

    def __init__(self, hidden: int) -> None:
        first, second = Normalize(hidden), Normalize(hidden)
        super().__init__(first, nn.ReLU(), nn.Linear(hidden, hidden), second, nn.ReLU())

    def forward(self, nodes: Round) -> Tensor:
        """Return the row of each node. [N, hidden]."""
        states, index = nodes.states.to(next(self.parameters()).dtype), nodes.rows
        total = len(states if index is None else index)
        repeats = None
        if index is not None:
            repeats = states.new_zeros(len(states)).index_add_(0, index, states.new_ones(total))
        for layer in self:
            counted = isinstance(layer, Normalize)
            states = layer(states, repeats, total) if counted else layer(states)
        return take(states, index, nodes.takers)


@torch.no_grad()
def fit_statistics(network: nn.Module, batches: Iterable[Any]) -> None:
    """Set the statistics of all `Normalize` of a network to those of some batches.

    They are the means over the batches ("precise" statistics, Wu and Johnson 2021, section 3).
    The network is left in evaluation mode.
    """
    network.eval()
    layers = [module for module in network.modules() if isinstance(module, Normalize)]
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
    for batch in batches:
        network(batch)
    for layer in layers:
        layer.eval()
