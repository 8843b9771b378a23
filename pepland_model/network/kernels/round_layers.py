"""The linear layers of all rounds in one array, so that layers with the same input are one product.

d is the width and R the number of rounds. A round has 6 d rows of weights. The first two layers
read states of nodes, the last three those of edges:

    L of the edges, query | output | key, value, L again

The query is that of the next round; the last round has the query of the first one in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

EDGE, QUERY, OUTPUT, KEY, BACK, END = 0, 1, 2, 3, 5, 6
"""Number of each layer of a round. BACK is EDGE again, and values follow keys."""


class Layers(NamedTuple):
    """The layers of a round, or their gradients."""

    weight: Tensor
    """[6d, d]."""
    bias: Tensor
    """[5d]; the last layer has none."""

    def part(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Return weight and bias of some layers that follow each other."""
        d = self.weight.shape[1]
        return self.weight[begin * d : end * d], self.bias[begin * d : end * d]

    def __call__(self, rows: Tensor, begin: int, end: int) -> Tensor:
        """Return the outputs of some layers [N, (end - begin) d] for rows [N, d]."""
        weight, bias = self.part(begin, end)
        return torch.addmm(bias, rows, weight.t()) if len(bias) else rows @ weight.t()

    def write(self, begin: int, end: int, grad: Tensor, rows: Tensor) -> None:
        """Write the gradients of some layers, from that of their outputs and from their input."""
        weight, bias = self.part(begin, end)
        torch.mm(grad.t(), rows, out=weight)
        torch.sum(grad[:, : len(bias)], 0, out=bias)


class AllLayers(NamedTuple):
    """The layers of all rounds."""

    weight: Tensor
    """[R, 6d, d]."""
    bias: Tensor
    """[R, 5d]."""

    @classmethod
    def empty(cls, rounds: int, d: int, like: Tensor) -> AllLayers:
        """Return arrays that are not initialized, of the device and dtype of a tensor."""
        return cls(like.new_empty(rounds, 6 * d, d), like.new_empty(rounds, 5 * d))

    @classmethod
    def of(cls, weights: Sequence[Tensor], like: Tensor) -> AllLayers:
        """Return the layers, copied in one operation.

        Args:
            weights: weight [d, d] and bias [d] of query, key, value and output, and then of the
                edges of each round.
            like: has the device and dtype of the result.
        """
        wq, bq, wk, bk, wv, bv, wo, bo, *edges = weights
        made, to, source = cls.empty(len(edges) // 2, len(bq), like), [], []
        for r, (edge, bias) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
            to += [*made.weight[r].chunk(6), *made.bias[r].chunk(5)]
            source += [edge, wq, wo, wk, wv, edge, bias, bq, bo, bk, bv]
        torch._foreach_copy_(to, source)
        return made

    def round(self, r: int) -> Layers:
        """Return the layers of a round."""
        return Layers(self.weight[r], self.bias[r])

    def of_weights(self) -> list[Tensor]:
        """Return gradients in the order of the weights, where these arrays hold gradients."""
        d = self.weight.shape[2]
        wq, wo, wk, wv = self.weight[:, d : 5 * d].sum(0).chunk(4)
        bq, bo, bk, bv = self.bias[:, d:].sum(0).chunk(4)
        edges = zip(self.weight[:, :d] + self.weight[:, 5 * d :], self.bias[:, :d], strict=True)
        return [wq, bq, wk, bk, wv, bv, wo, bo, *(part for layer in edges for part in layer)]


class LastLayer(NamedTuple):
    """The last layer, which is applied to each of its three inputs by itself; or its gradient."""

    weight: Tensor
    """[d, 3d]: for the sum of edges, the state, and the input of a node."""
    bias: Tensor
    """[d]."""

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, like: Tensor) -> LastLayer:
        """Return the layer in the dtype of a tensor."""
        return cls(weight.to(like.dtype), bias.to(like.dtype))

    def parts(self) -> tuple[Tensor, ...]:
        """Return the three weights. [d, d] each."""
        return self.weight.chunk(3, 1)

    def __call__(self, incoming: Tensor, state: Tensor, table: Tensor) -> tuple[Tensor, ...]:
        """Return what becomes of the rows of each input. [*, d]."""
        from_edges, from_state, from_table = (part.t() for part in self.parts())
        own = torch.addmm(self.bias, table, from_table)
        return incoming @ from_edges, state @ from_state, own

    def write(self, grads: Sequence[Tensor], rows: Sequence[Tensor]) -> None:
        """Write the gradients of the layer, from those of its three results and its inputs."""
        for part, grad, of in zip(self.parts(), grads, rows, strict=True):
            torch.mm(grad.t(), of, out=part)
        torch.sum(grads[-1], 0, out=self.bias)
