"""From the states of the nodes to the vector of a peptide, with layers that are fine-tuned.

The network has no normalization. The states of two nodes differ little, and the means over two
peptides differ by a hundredth of that, while a few steps of training move what all have in common
by more. So the states are normalized over the nodes of a batch, pass a layer with ReLU, which
turns them into something that can be counted, and are normalized again before and after pooling
(batch normalization, Ioffe and Szegedy 2015).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.output import PharmHGTOutput
from pepland_model.network.pooling import pool


class Normalize(nn.BatchNorm1d):
    """Batch normalization whose statistics for evaluation are those of `fit_statistics`.

    A running mean lags behind: in the steps that it covers, the states move by more than they
    differ. A batch of one row has no statistics; it is normalized as in evaluation.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-8, momentum=None)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the normalized rows. [N, width]."""
        if self.training and len(rows) == 1:
            known = self.running_mean, self.running_var, self.weight, self.bias
            return batch_norm(rows, *known, training=False, eps=self.eps)
        return super().forward(rows)


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
        self.nodes = nn.ModuleDict({name: node_layers(hidden) for name in views})
        self.pooling = pooling

    @staticmethod
    def width(hidden: int, view: str) -> int:
        """Return the number of entries of the vector of a peptide."""
        return hidden * (2 if view == "both" else 1) + 2

    def forward(self, batch: HeteroBatch, out: PharmHGTOutput) -> Tensor:
        """Return the vector of each peptide. [G, width]."""
        states = {"atom": out.atom_embedding, "fragment": out.fragment_embedding}
        pointers = {"atom": batch.atom_ptr, "fragment": batch.fragment_ptr}
        pooled = [
            pool(layers(states[name].float()), pointers[name], self.pooling)
            for name, layers in self.nodes.items()
        ]
        sizes = [ptr.diff().clamp(min=1).float().log() for ptr in pointers.values()]
        return torch.cat([*pooled, torch.stack(sizes, 1)], 1)


def node_layers(hidden: int) -> nn.Sequential:
    """Return the layers that a node passes before pooling."""
    return nn.Sequential(
        Normalize(hidden), nn.ReLU(), nn.Linear(hidden, hidden), Normalize(hidden), nn.ReLU()
    )


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
