"""Multi-head attention of one query per node over the edges that enter it."""

from __future__ import annotations

import math

from torch import Tensor, nn

from pepland_model.network.segments import segment_softmax, segment_sum, take


class Attention(nn.Module):
    """softmax(Q K / sqrt(d / heads)) V over each node's incoming edges, then a linear.

    The four linears are Q, K, V and out, under their published names.
    """

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linears = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(4))

    def forward(
        self,
        nodes: Tensor,
        edges: Tensor,
        own: Tensor | None,
        inputs: Tensor | None,
        ptr: Tensor,
        dst: Tensor,
    ) -> Tensor:
        """Return the attention output of every node.

        Linears run on the distinct rows, before they are spread over nodes and edges.

        Args:
            nodes: [K, d], states that queries come from.
            edges: [L, d], states that keys and values come from.
            own: [N] int, row of `nodes` of each node; None where node v has row v.
            inputs: [E] int, row of `edges` of each incoming edge, sorted by node; None as above.
            ptr: [N+1] int64.
            dst: [E] int64.

        Returns:
            [N, d]; a node without edges gets the output layer's bias.
        """
        query, key, value = self.linears[0](nodes), self.linears[1](edges), self.linears[2](edges)
        width = query.shape[1] // self.heads
        at_edge = dst if own is None else own.index_select(0, dst)
        q = take(query, at_edge).view(-1, self.heads, width)
        k = take(key, inputs).view(-1, self.heads, width)
        v = take(value, inputs).view(-1, self.heads, width)
        weight = segment_softmax((q * k).sum(-1) / math.sqrt(q.shape[-1]), ptr, dst)
        mixed = segment_sum((weight.unsqueeze(-1) * v).flatten(1), ptr, dst)
        out: Tensor = self.linears[3](mixed.to(value.dtype))
        return out

    def value_out(self, keys: Tensor) -> Tensor:
        """Return the attention output over a set of one key, whose weight is 1. [N, d]."""
        out: Tensor = self.linears[3](self.linears[2](keys))
        return out
