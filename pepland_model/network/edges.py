"""Directed edges from bonds that the batch keeps once: sorted by destination, with the way back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Edges:
    """Every bond in both directions, edges of one destination side by side."""

    src: Tensor
    """[E] int64, node the edge leaves."""
    dst: Tensor
    """[E] int64, node the edge enters, ascending."""
    code: Tensor
    """[E] int64, row of the bond table."""
    reverse: Tensor
    """[E] int64, the same bond's other direction."""
    in_ptr: Tensor
    """[N+1] int64, edges ``in_ptr[v]`` to ``in_ptr[v+1]`` enter node v."""

    @property
    def num_nodes(self) -> int:
        """Number of nodes, those without edges included."""
        return len(self.in_ptr) - 1

    def in_degree(self) -> Tensor:
        """Return how many edges enter each node. [N] int64."""
        return self.in_ptr.diff()


def directed_edges(begin: Tensor, end: Tensor, code: Tensor, num_nodes: int) -> Edges:
    """Return both directions of B bonds, stably sorted by destination, without a host sync.

    Args:
        begin: [B] int, node at one end.
        end: [B] int, node at the other.
        code: [B] int, row of the bond table.
        num_nodes: number of nodes.
    """
    src = torch.stack([begin, end], 1).flatten().long()
    dst = torch.stack([end, begin], 1).flatten().long()
    order = torch.argsort(dst, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    counts = torch.zeros(num_nodes, dtype=torch.int64, device=dst.device)
    counts.index_add_(0, dst, torch.ones_like(dst))
    in_ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Edges(
        src=src[order],
        dst=dst[order],
        code=code.long().repeat_interleave(2)[order],
        reverse=place[order ^ 1],
        in_ptr=in_ptr,
    )
