"""The linear layers of all rounds in one array, so that layers with the same input are one product.

d is the width, R the number of rounds, and D the number of columns of a row, see `columns`. A round
has 6 D rows of weights. The first two layers read states of nodes, the last three those of edges:

    L of the edges, query | output | key, value, L again

The query is that of the next round; the last round has the query of the first one in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import triton
from torch import Tensor

from pepland_model.network.kernels.columns import Columns
from pepland_model.network.kernels.jobs import TL, device_of, sum_dtype
from pepland_model.network.kernels.row_kernels import layer_kernel

EDGE, QUERY, OUTPUT, KEY, VALUE, BACK, END = range(7)
"""Number of each layer of a round. BACK is EDGE again, without its bias."""


class Layers(NamedTuple):
    """The layers of a round, or their gradients."""

    weight: Tensor
    """[6D, D]."""
    columns: Columns

    def part(self, begin: int, end: int) -> Tensor:
        """Return the weights of some layers that follow each other. [(end - begin) D, D]."""
        size = self.weight.shape[1]
        return self.weight[begin * size : end * size]

    def __call__(self, rows: Tensor, begin: int, end: int) -> Tensor:
        """Return the outputs of some layers [N, (end - begin) D] for rows [N, D]."""
        return rows @ self.part(begin, end).t()

    def write(self, begin: int, end: int, grad: Tensor, rows: Tensor) -> None:
        """Write the gradients of some layers, from that of their outputs and from their input."""
        torch.mm(grad.t(), rows, out=self.part(begin, end))


class AllLayers(NamedTuple):
    """The layers of all rounds, or their gradients."""

    weight: Tensor
    """[R, 6D, D]."""
    columns: Columns

    @classmethod
    def of(cls, weights: Sequence[Tensor], columns: Columns, like: Tensor) -> AllLayers:
        """Return the layers.

        Args:
            weights: weight [d, d] and bias [d] of query, key, value and output, and then of the
                edges of each round.
            columns: of the result.
            like: has the device and dtype of the result.
        """
        wq, bq, wk, bk, wv, bv, wo, bo, *edges = weights
        rounds, d = len(edges) // 2, len(bq)
        weight, bias = like.new_empty(rounds, END, d, d), like.new_empty(rounds, END, d)
        to, source = [], []
        for r, (edge, of_edge) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
            to += [*weight[r], *bias[r, :BACK]]
            source += [edge, wq, wo, wk, wv, edge, of_edge, bq, bo, bk, bv]
        torch._foreach_copy_(to, source)  # one launch, as all are dense
        made = like.new_empty(rounds, END * columns.size, columns.size)
        biased = (1 << BACK) - 1
        strides = d * d, d, d
        write_layers(made, weight, bias, columns, strides, END, biased, keeps=1 << VALUE)
        return cls(made, columns)

    def empty(self) -> AllLayers:
        """Return arrays of the same sizes that are not initialized."""
        return AllLayers(torch.empty_like(self.weight), self.columns)

    def round(self, r: int) -> Layers:
        """Return the layers of a round."""
        return Layers(self.weight[r], self.columns)

    def of_weights(self) -> list[Tensor]:
        """Return gradients in the order of the weights, where these arrays hold gradients."""
        rounds, (heads, real, wide) = len(self.weight), self.columns
        made = self.weight.view(rounds, END, heads, wide, heads, wide)
        weight, bias = made[..., :real, :, :real], made[:, :BACK, :, :real, 0, real].flatten(2)
        d = heads * real
        wq, wo, wk, wv = weight[:, QUERY:BACK].sum(0).view(4, d, d)
        bq, bo, bk, bv = bias[:, QUERY:].sum(0)
        of_edges = (weight[:, EDGE] + weight[:, BACK]).view(rounds, d, d)
        edges = zip(of_edges, bias[:, EDGE], strict=True)
        return [wq, bq, wk, bk, wv, bv, wo, bo, *(part for layer in edges for part in layer)]


class LastLayer(NamedTuple):
    """The last layer, which is applied to each of its three inputs by itself; or its gradient."""

    weight: Tensor
    """[3, D, D]: for the sum of edges, the state, and the input of a node, which has the bias."""
    columns: Columns

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, columns: Columns, like: Tensor) -> LastLayer:
        """Return the layer of a weight [d, 3d] and bias [d] in the dtype of a tensor."""
        made, d = like.new_empty(3, columns.size, columns.size), len(bias)
        write_layers(made, weight, bias, columns, (d, 3 * d, 0), 3, biased=1 << 2)
        return cls(made, columns)

    def __call__(self, part: int, rows: Tensor) -> Tensor:
        """Return what becomes of the rows of one input. [*, D]."""
        return rows @ self.weight[part].t()

    def empty(self) -> LastLayer:
        """Return arrays of the same sizes that are not initialized."""
        return LastLayer(torch.empty_like(self.weight), self.columns)

    def write(self, grads: Sequence[Tensor], rows: Sequence[Tensor]) -> None:
        """Write the gradients of the layer, from those of its three results and its inputs."""
        for part, grad, of in zip(self.weight, grads, rows, strict=True):
            torch.mm(grad.t(), of, out=part)

    def of_weights(self) -> list[Tensor]:
        """Return the gradients of weight and bias, where these arrays hold gradients."""
        heads, real, wide = self.columns
        made, d = self.weight.view(3, heads, wide, heads, wide), heads * real
        weight = made[:, :, :real, :, :real].permute(1, 2, 0, 3, 4).reshape(d, 3 * d)
        return [weight, made[2, :, :real, 0, real].flatten()]


def write_layers(
    out: Tensor,
    weight: Tensor,
    bias: Tensor,
    columns: Columns,
    strides: tuple[int, int, int],
    kinds: int,
    biased: int,
    keeps: int = 0,
) -> None:
    """Write layers with spare rows and columns, and the bias in the column of ones.

    Args:
        out: [..., D, D], the layers one after the other; layer b is of kind b % `kinds`.
        weight: row r of layer b begins at element ``b * strides[0] + r * strides[1]``.
        bias: that of layer b begins at element ``b * strides[2]``.
        columns: of the result.
        strides: see there.
        kinds: number of kinds.
        biased: bit k is set where layers of kind k have a bias.
        keeps: bit k is set where layers of kind k return the column of ones as it is.
    """
    with device_of(out):
        layer_kernel[(out.numel() // columns.size,)](
            weight, bias, out, *strides, PERIOD=kinds, BIASED=biased, KEEPS=keeps,
            REAL=columns.real, WIDE=columns.wide, D=columns.size,
            C=triton.next_power_of_2(columns.size), ACC=TL[sum_dtype(weight)],
        )  # fmt: skip


def layers_of(
    weights: Sequence[Tensor], columns: Columns, like: Tensor
) -> tuple[AllLayers, LastLayer]:
    """Return the layers of all rounds and the last one.

    Args:
        weights: those of `AllLayers.of`, and then weight [d, 3d] and bias [d] of the last layer.
        columns: of the result.
        like: has the device and dtype of the result.
    """
    *of_rounds, weight, bias = weights
    return AllLayers.of(of_rounds, columns, like), LastLayer.of(weight, bias, columns, like)
