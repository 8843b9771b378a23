"""Multi-head attention of one query per node over the edges that enter it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """softmax(Q K / sqrt(d / heads)) V over each node's incoming edges, then a linear.

    The four linears are Q, K, V and out, under their published names.
    """

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linears = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(4))

    def forward(self, query: Tensor, keys: Tensor, dst: Tensor) -> Tensor:
        """Return the attention output of every node.

        Args:
            query: [N, d].
            keys: [E, d], one row an incoming edge; keys and values come from it.
            dst: [E] int64, node that each edge enters.

        Returns:
            [N, d]; a node without edges gets the output layer's bias.
        """
        q, k, v = (
            layer(rows).unflatten(1, (self.heads, -1))
            for layer, rows in zip(self.linears[:3], (query, keys, keys), strict=True)
        )
        score = (q[dst] * k).sum(-1) / math.sqrt(q.shape[-1])
        weight = segment_softmax(score, dst, len(query))
        mixed = torch.zeros_like(q).index_add(0, dst, weight.unsqueeze(-1) * v)
        out: Tensor = self.linears[3](mixed.flatten(1))
        return out

    def value_out(self, keys: Tensor) -> Tensor:
        """Return the attention output over a set of one key, whose weight is 1. [N, d]."""
        out: Tensor = self.linears[3](self.linears[2](keys))
        return out


def segment_softmax(score: Tensor, dst: Tensor, num_nodes: int) -> Tensor:
    """Return the softmax of [E, heads] scores over the edges of each node, in float32."""
    score = score.float()
    index = dst.unsqueeze(1).expand_as(score)
    highest = score.new_full((num_nodes, score.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, index, score.detach(), "amax")
    exp = (score - highest[dst]).exp()
    total = torch.zeros_like(highest).index_add(0, dst, exp)
    return exp / total[dst]
