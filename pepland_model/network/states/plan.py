"""Which rows the network computes for a batch, and from which other rows it computes each of them.

The same code runs on every row of a batch (`every_row`) and on each distinct state once
(`distinct`, `distinct_junction`): only these indices differ.

A view has one level of nodes and edges for each round, and a level of nodes for the last layer. The
rows of a level are computed from those of the level below. Below the first level are the rows of
the feature tables, whose numbers are codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

from pepland_model.network.takers import Takers


class _Movable:
    takers: Mapping[str, Takers]

    def index(self, name: str) -> tuple[Any, Takers | None]:
        """Return an index (a tensor, or None for all rows) and its takers where they are known."""
        return getattr(self, name), self.takers.get(name)

    def to(self, device: torch.device | str) -> Self:
        """Return the same indices on another device."""
        names = [f.name for f in fields(self)]  # type: ignore[arg-type]
        return type(self)(**{name: _moved(getattr(self, name), device) for name in names})


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, tuple):
        return tuple(level.to(device) for level in value)
    if isinstance(value, dict):
        return {name: part.to(device) for name, part in value.items()}
    return value if value is None else value.to(device)


@dataclass(frozen=True, eq=False)
class NodeLevel(_Movable):
    """K node rows: each is computed from a node row and from edge rows of the level below."""

    own: Tensor | None
    """[K] int64, node row below; None where row k takes row k."""
    inputs: Tensor | None
    """[M] int64, edge rows below that enter, sorted by node; None where input m is row m."""
    ptr: Tensor
    """[K+1] int64, inputs ``ptr[k]`` to ``ptr[k+1]`` enter row k."""
    dst: Tensor
    """[M] int64, row that each input enters."""
    code: Tensor
    """[K] int64, row of the feature table."""
    takers: Mapping[str, Takers] = field(default_factory=dict, kw_only=True)
    """Of `own`, `inputs`, `dst` and `code`; empty where no gradient needs them."""
    used: Tensor | None = field(default=None, kw_only=True)
    """[] int32: only so many rows hold a state, where arrays have fixed sizes; None: all."""
    used_inputs: Tensor | None = field(default=None, kw_only=True)
    """[] int32, the same for the inputs."""


@dataclass(frozen=True, eq=False)
class EdgeLevel(_Movable):
    """L edge rows: each is computed from its source node and its reverse edge."""

    src: Tensor
    """[L] int64, node row of the same level."""
    reverse: Tensor
    """[L] int64, edge row of the level below."""
    code: Tensor
    """[L] int64, row of the bond table."""
    takers: Mapping[str, Takers] = field(default_factory=dict, kw_only=True)
    """Of `src`, `reverse` and `code`, in the same way."""
    used: Tensor | None = field(default=None, kw_only=True)
    """As that of `NodeLevel`."""


@dataclass(frozen=True, eq=False)
class ViewPlan(_Movable):
    """All levels of the atoms, or of the fragments."""

    nodes: tuple[NodeLevel, ...]
    """One for each round, and one for the last layer."""
    edges: tuple[EdgeLevel, ...]
    """One for each round."""
    rows: Tensor | None
    """[N] int64, row of the last level for each node; None where node v has row v."""
    takers: Mapping[str, Takers] = field(default_factory=dict, kw_only=True)
    """Of `rows`, in the same way."""

    def states(self) -> ViewPlan:
        """Return the plan of the rows of the last level, without the row of each node."""
        return replace(self, rows=None, takers={})

    def counts(self) -> dict[str, list[int]]:
        """Return how many node and edge rows each level computes."""
        return {
            "nodes": [len(level.code) for level in self.nodes],
            "edges": [len(level.code) for level in self.edges],
        }


@dataclass(frozen=True, eq=False)
class JunctionPlan(_Movable):
    """The p fragments and a atoms that the junction view computes."""

    atom_code: Tensor
    """[a] int64, row of the atom table; atoms of one fragment follow each other."""
    ptr: Tensor
    """[p+1] int64, atoms ``ptr[i]`` to ``ptr[i+1]`` belong to fragment i."""
    atom_fragment: Tensor
    """[a] int64, fragment of each atom."""
    fragment_code: Tensor
    """[p] int64, row of the fragment table."""
    atom_rows: Tensor | None
    """[A] int64, row among the a for each atom of the batch."""
    fragment_rows: Tensor | None
    """[P] int64, row among the p for each fragment of the batch; None where i has row i."""
    takers: Mapping[str, Takers] = field(default_factory=dict, kw_only=True)
    """Of every index, in the same way."""
    used: Tensor | None = field(default=None, kw_only=True)
    """As that of `NodeLevel`, of the p fragments."""
    used_atoms: Tensor | None = field(default=None, kw_only=True)
    """The same for the a atoms."""


@dataclass(frozen=True, eq=False)
class Plan(_Movable):
    """Which rows the views of one batch compute."""

    atoms: ViewPlan | None
    """None where states kept from earlier batches are used, or where no atoms are needed."""
    fragments: ViewPlan | None
    """None as for the atoms."""
    junction: JunctionPlan | None
    """None with output ``homo``."""
