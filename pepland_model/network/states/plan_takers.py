"""The takers of every index of a plan, for backward passes that sort nothing.

An index that several levels use has one set of takers. Each other index costs one sort of 32-bit
integers, and an index whose takers follow from the edges of a batch costs none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest

import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchTables
from pepland_model.network import takers as by_takers
from pepland_model.network.edges import Edges
from pepland_model.network.states.plan import EdgeLevel, JunctionPlan, NodeLevel, Plan, ViewPlan
from pepland_model.network.takers import Takers, permuted_takers, sorted_takers, takers_of


def wants_takers(device: torch.device) -> bool:
    """Return whether gradients are computed now, and are summed by takers on a device."""
    return torch.is_grad_enabled() and device.type in by_takers.DEVICES


@dataclass
class KnownTakers:
    """The takers of indices, each computed once."""

    known: list[tuple[Tensor, Takers]] = field(default_factory=list)

    def add_edges(self, edges: Edges) -> None:
        """Add what every edge takes: the edges that leave a node are the reverse of those in."""
        self.known.append((edges.src, Takers(edges.reverse, edges.in_ptr, row=edges.dst)))
        self.known.append((edges.reverse, permuted_takers(edges.reverse)))

    def of(self, index: Tensor | None, num_rows: int) -> Takers | None:
        """Return the takers of each row of an index; None for an index that takes all rows."""
        if index is None:
            return None
        return self._kept(index) or self._keep(index, takers_of(index, num_rows))

    def ascending(self, dst: Tensor, ptr: Tensor) -> Takers:
        """Return the takers of an index that ascends."""
        return self._kept(dst) or self._keep(dst, sorted_takers(ptr, len(dst), dst))

    def _kept(self, index: Tensor) -> Takers | None:
        return next((takers for other, takers in self.known if other is index), None)

    def _keep(self, index: Tensor, takers: Takers) -> Takers:
        self.known.append((index, takers))
        return takers


def with_takers(plan: Plan, tables: BatchTables, known: KnownTakers | None = None) -> Plan:
    """Return the plan with the takers of every index; this does not wait for the device.

    Args:
        plan: on a device. Views that already have takers stay as they are.
        tables: of the batch.
        known: takers that need no sort.
    """
    known = known or KnownTakers()
    nodes, bonds = (len(tables.atom_x), len(tables.fragment_x)), len(tables.bond_x)
    atoms, fragments = (
        view if view is None or view.nodes[0].takers else _view(view, rows, bonds, known)
        for view, rows in zip((plan.atoms, plan.fragments), nodes, strict=True)
    )
    junction = plan.junction
    if junction is not None and not junction.takers:
        junction = _junction(junction, *nodes, known)
    return Plan(atoms, fragments, junction)


def _view(plan: ViewPlan, nodes: int, bonds: int, known: KnownTakers) -> ViewPlan:
    """Return a view with takers; `nodes` and `bonds` are the rows of its tables."""
    levels, links = [], []
    f_h, h = nodes, bonds
    for level, link in zip_longest(plan.nodes, plan.edges):
        levels.append(_node_level(level, f_h, h, nodes, known))
        f_h = len(level.code)
        if link is not None:
            links.append(_edge_level(link, f_h, h, bonds, known))
            h = len(link.code)
    takers = _named(rows=known.of(plan.rows, f_h))
    return ViewPlan(tuple(levels), tuple(links), plan.rows, takers=takers)


def _node_level(level: NodeLevel, f_h: int, h: int, table: int, known: KnownTakers) -> NodeLevel:
    takers = _named(
        own=known.of(level.own, f_h),
        inputs=known.of(level.inputs, h),
        dst=known.ascending(level.dst, level.ptr),
        code=known.of(level.code, table),
    )
    return replace(level, takers=takers)


def _edge_level(level: EdgeLevel, f_h: int, h: int, table: int, known: KnownTakers) -> EdgeLevel:
    takers = _named(
        src=known.of(level.src, f_h),
        reverse=known.of(level.reverse, h),
        code=known.of(level.code, table),
    )
    return replace(level, takers=takers)


def _junction(plan: JunctionPlan, atoms: int, fragments: int, known: KnownTakers) -> JunctionPlan:
    takers = _named(
        atom_code=known.of(plan.atom_code, atoms),
        atom_fragment=known.ascending(plan.atom_fragment, plan.ptr),
        fragment_code=known.of(plan.fragment_code, fragments),
        atom_rows=known.of(plan.atom_rows, len(plan.atom_code)),
        fragment_rows=known.of(plan.fragment_rows, len(plan.fragment_code)),
    )
    return replace(plan, takers=takers)


def _named(**takers: Takers | None) -> dict[str, Takers]:
    return {name: found for name, found in takers.items() if found is not None}
