"""Multi-head attention of one query per node over the edges that enter it."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from pepland_model.network.kernels import devices as kernels
from pepland_model.network.layers import AttentionLayers
from pepland_model.network.segments import segment_softmax, segment_sum, take
from pepland_model.network.takers import AnyIndex, Index, looked_up, whole

Joint = tuple[Tensor, Tensor]
"""Weight [2d, d] and bias [2d] of keys and values, which one product computes."""


class Attention(AttentionLayers):
    """softmax(Q K / sqrt(d / heads)) V over the edges that enter a node, then a linear layer."""

    recomputes = False
    """Whether backward passes compute it again, see `pretrain_network.recompute_attention`."""

    def forward(
        self,
        nodes: Tensor,
        edges: Tensor,
        own: AnyIndex,
        inputs: AnyIndex,
        ptr: Tensor,
        dst: Index,
        joint: Joint | None = None,
    ) -> Tensor:
        """Return the attention output of every node.

        The linear layers run on the rows of `nodes` and `edges`, before these are spread over the
        nodes and edges that share them.

        Args:
            nodes: [K, d], states that queries come from.
            edges: [L, d], states that keys and values come from.
            own: [N] int, row of `nodes` for each node; None where node v has row v. Each index
                comes with its takers, or with None.
            inputs: [E] int, row of `edges` for each incoming edge, sorted by node; None where edge
                e has row e.
            ptr: [N+1] int64, edges ``ptr[v]`` to ``ptr[v+1]`` enter node v.
            dst: [E] int64, node that each edge enters.
            joint: what `joint` returned, where kernels run; None computes it here.

        Returns:
            [N, d]; a node without edges gets the bias of the output layer.
        """
        if kernels.runs_on(nodes.device):
            return self._by_kernel(nodes, edges, own, inputs, ptr, dst, joint or self.joint())
        query, key, value = self.linears[0](nodes), self.linears[1](edges), self.linears[2](edges)
        width = query.shape[1] // self.heads
        q = take(query, *looked_up(dst, own)).view(-1, self.heads, width)
        k = take(key, *inputs).view(-1, self.heads, width)
        v = take(value, *inputs).view(-1, self.heads, width)
        weight = segment_softmax((q * k).sum(-1) / math.sqrt(width), ptr, *dst)
        mixed = segment_sum((weight.unsqueeze(-1) * v).flatten(1), ptr, *dst)
        out: Tensor = self.linears[3](mixed.to(value.dtype))
        return out

    def joint(self) -> Joint:
        """Return the layers of keys and values as one, for several calls of `forward`."""
        layers = [cast(nn.Linear, layer) for layer in (self.linears[1], self.linears[2])]
        dtype = product_dtype(layers[0].weight)
        weight = torch.cat([layer.weight.to(dtype) for layer in layers])
        return weight, torch.cat([layer.bias.to(dtype) for layer in layers])

    def _by_kernel(
        self,
        nodes: Tensor,
        edges: Tensor,
        own: AnyIndex,
        inputs: AnyIndex,
        ptr: Tensor,
        dst: Index,
        joint: Joint,
    ) -> Tensor:
        from pepland_model.network.kernels.attention import attend

        own, inputs = whole(own, len(nodes)), whole(inputs, len(edges))
        query, both = self.linears[0](nodes), linear(edges, *joint)
        mixed = attend(query, both, own, inputs, ptr, dst[0], self.heads)
        out: Tensor = self.linears[3](mixed)
        return out


def product_dtype(weight: Tensor) -> torch.dtype:
    """Return the dtype in which autocast, if it is enabled, computes products with a weight."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
