"""Which rows a view computes in each round, and where each row takes its inputs from.

The same program runs on every row of the batch (`plain_plan`) or on each distinct state once
(`states.distinct`); only the indices differ. Row numbers at level 0 are codes: rows of the
small feature tables.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from pepland_model.network.edges import Edges


class _Movable:
    def to(self, device: torch.device | str) -> Self:
        """Return the same indices on another device."""
        values = (getattr(self, f.name) for f in fields(self))  # type: ignore[arg-type]
        return type(self)(*(v.to(device) if v is not None else None for v in values))


@dataclass(frozen=True, eq=False)
class NodeLevel(_Movable):
    """New node rows: each from one node row and some edge rows of the level below."""

    own: Tensor | None
    """[K] int64, row of the node level below; None where it is the row's own number."""
    inputs: Tensor | None
    """[M] int64, rows of the edge level below that enter, sorted by new row; None as above."""
    ptr: Tensor
    """[K+1] int64."""
    dst: Tensor
    """[M] int64, new row that each input enters."""
    code: Tensor
    """[K] int64, row of the feature table."""


@dataclass(frozen=True, eq=False)
class EdgeLevel(_Movable):
    """New edge rows: each from its source node (this level) and its reverse (level below)."""

    src: Tensor
    """[L] int64, row of this round's node level."""
    reverse: Tensor
    """[L] int64, row of the edge level below."""
    code: Tensor
    """[L] int64, row of the bond table."""


@dataclass(frozen=True, eq=False)
class ViewPlan:
    """All rounds of one view."""

    nodes: tuple[NodeLevel, ...]
    """One a round, and the last layer."""
    edges: tuple[EdgeLevel, ...]
    """One a round."""
    rows: Tensor | None
    """[N] int64, row of the last level of each node; None where it is the node's number."""

    def to(self, device: torch.device | str) -> ViewPlan:
        """Return the plan on another device."""
        return ViewPlan(
            tuple(level.to(device) for level in self.nodes),
            tuple(level.to(device) for level in self.edges),
            None if self.rows is None else self.rows.to(device),
        )

    def counts(self) -> dict[str, list[int]]:
        """Return how many node and edge rows each level computes."""
        return {
            "nodes": [len(level.code) for level in self.nodes],
            "edges": [len(level.code) for level in self.edges],
        }


def plain_plan(code: Tensor, edges: Edges, rounds: int) -> ViewPlan:
    """Return the plan that computes every row of the batch, made without a host sync.

    Args:
        code: [N] int, feature row of each node.
        edges: of the view.
        rounds: of message passing.
    """
    code = code.long()
    nodes, links = [], []
    for i in range(rounds + 1):
        own, inputs = (code, edges.code) if i == 0 else (None, None)
        nodes.append(NodeLevel(own, inputs, edges.in_ptr, edges.dst, code))
        if i < rounds:
            # A bond has one code: at level 0 the reverse edge is the same table row.
            links.append(EdgeLevel(edges.src, edges.code if i == 0 else edges.reverse, edges.code))
    return ViewPlan(tuple(nodes), tuple(links), None)
