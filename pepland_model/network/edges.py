"""Directed edges made from bonds: sorted by destination, each with the number of its reverse."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.kernels import devices as kernels


@dataclass(frozen=True, eq=False)
class Edges:
    """Every bond in both directions; the edges of one destination follow each other."""

    src: Tensor
    """[E] int64, node that the edge leaves."""
    dst: Tensor
    """[E] int64, node that the edge enters, ascending."""
    code: Tensor
    """[E] int64, row of the bond table."""
    reverse: Tensor
    """[E] int64, number of the edge in the other direction of the same bond."""
    in_ptr: Tensor
    """[N+1] int64, edges ``in_ptr[v]`` to ``in_ptr[v+1]`` enter node v."""

    def in_degree(self) -> Tensor:
        """Return how many edges enter each node. [N] int64."""
        return self.in_ptr.diff()


def directed_edges(
    begin: Tensor, end: Tensor, code: Tensor, num_nodes: int, real: Tensor | None = None
) -> Edges:
    """Return both directions of B bonds, sorted by destination and then by bond.

    On a GPU this does not wait for the device.

    Args:
        begin: [B] int, node at one end.
        end: [B] int, node at the other end.
        code: [B] int, row of the bond table.
        num_nodes: number of nodes.
        real: [] int64, number of bonds that are not padding, where this is known. Padding bonds go
            from the last node to itself.
    """
    if real is not None and kernels.runs_on(begin.device):
        from pepland_model.network.kernels.csr import sorted_edges

        return Edges(*sorted_edges(begin, end, code, num_nodes, real))
    src = torch.stack([begin, end], 1).flatten().long()
    dst = torch.stack([end, begin], 1).flatten().long()
    order = torch.argsort(dst.int(), stable=True)  # sorting half the bits takes half the time
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


def view_edges(batch: HeteroBatch, prefix: str, num_nodes: int) -> Edges:
    """Return the directed edges of a batch.

    Args:
        batch: of graphs.
        prefix: ``bond`` for edges between atoms, ``reaction`` for edges between fragments.
        num_nodes: number of atoms or fragments.
    """
    begin, end, code = (getattr(batch, f"{prefix}_{name}") for name in ("begin", "end", "code"))
    return directed_edges(begin, end, code, num_nodes, getattr(batch, f"{prefix}_ptr")[-1])
