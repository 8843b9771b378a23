"""Each state once: rows with equal neighbourhoods have equal states, so one of them is computed.

After t rounds a node's state depends on its neighbourhood of radius t alone. Colour refinement
(the idea of arXiv 2304.14793 and 2007.06567) finds the equal ones round by round: a node's class is
its class before and the sorted classes of its incoming edges; an edge's class is that of its source
and that of its reverse before. Keys are these integers packed into 64 bits, so nothing is hashed
and no two different neighbourhoods share a class.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pepland_model.edges import Edges
from pepland_model.interner import Interner, Ints
from pepland_model.plan import EdgeLevel, NodeLevel, ViewPlan, plain_plan

FIELD = 21
"""Bits of a class in a key."""
LIMIT = 1 << (FIELD - 1)
"""Classes a level may have; the highest bit marks a key folded from further inputs."""
MAX_DEGREE = 64
"""Nodes of more inputs (only the ghost rows of padded batches) switch the search off."""


@dataclass
class _Level:
    """Numbers of one level: distinct nodes, their folded extra inputs, distinct edges."""

    nodes: Interner = field(default_factory=Interner)
    folds: Interner = field(default_factory=Interner)
    edges: Interner = field(default_factory=Interner)


def fresh_levels(rounds: int) -> list[_Level]:
    """Return empty numbers for all rounds and the last layer."""
    return [_Level() for _ in range(rounds + 1)]


def node_classes(level: _Level, own: Ints, inputs: Ints) -> tuple[Ints, Ints]:
    """Return the class of each node, and a node of each new class.

    Args:
        level: numbers so far.
        own: [N] int64, class of the node before.
        inputs: [N, D] int64, classes of the incoming edges + 1, descending, then zeros.
    """
    mixed = own.copy()
    last = inputs.shape[1] - (inputs.shape[1] % 2)
    for column in range(last, 1, -2):
        pair = np.zeros((len(own), 2), np.int64)
        width = min(2, inputs.shape[1] - column)
        pair[:, :width] = inputs[:, column : column + width]
        rows = np.flatnonzero(pair[:, 0])
        numbers, _ = level.folds.number(_pack(mixed[rows], pair[rows, 0], pair[rows, 1]))
        mixed[rows] = numbers + LIMIT
    head = np.zeros((len(own), 2), np.int64)
    head[:, : min(2, inputs.shape[1])] = inputs[:, :2]
    return level.nodes.number(_pack(mixed, head[:, 0], head[:, 1]))


def _pack(a: Ints, b: Ints, c: Ints) -> Ints:
    return (a << (2 * FIELD)) | (b << FIELD) | c


def sorted_inputs(edge_class: Ints, dst: Ints, place: Ints, shape: tuple[int, int]) -> Ints:
    """Return [N, D] int64: classes + 1 of each node's incoming edges, descending, then zeros."""
    table = np.zeros(shape, np.int64)
    table[dst, place] = -1 - edge_class
    table.sort(axis=1)
    return -table


def distinct_plan(
    code: Tensor,
    edges: Edges,
    rounds: int,
    stop_share: float = 0.5,
    levels: list[_Level] | None = None,
) -> ViewPlan:
    """Return the plan that computes each distinct state once.

    Args:
        code: [N] int, feature row of each node, on the CPU.
        edges: of the view, on the CPU.
        rounds: of message passing.
        stop_share: once more than this share of a level's rows is distinct, that level and all
            behind it compute every row; 1 means never.
        levels: numbers that outlive the batch; the plan then holds new states only.
    """
    finder = _Finder(code, edges, rounds, stop_share, levels)
    return finder.plan() if finder.possible else plain_plan(code, edges, rounds)


class _Finder:
    """The search through one view, round by round."""

    def __init__(
        self,
        code: Tensor,
        edges: Edges,
        rounds: int,
        stop_share: float,
        levels: list[_Level] | None,
    ) -> None:
        self.rounds, self.stop_share = rounds, stop_share
        self.levels = levels if levels is not None else fresh_levels(rounds)
        self.code, self.edge_code = code.long().numpy(), edges.code.numpy()
        self.src, self.dst, self.reverse = (
            t.numpy() for t in (edges.src, edges.dst, edges.reverse)
        )
        self.in_ptr = edges.in_ptr.numpy()
        degree = np.diff(self.in_ptr)
        self.shape = (len(degree), int(degree.max(initial=0)))
        self.place = np.arange(len(self.dst)) - self.in_ptr[self.dst]
        biggest = max(len(self.code), len(self.dst))
        self.possible = self.shape[1] <= MAX_DEGREE and biggest < LIMIT
        self.all_rows = False

    def plan(self) -> ViewPlan:
        """Return the plan; node and edge classes start as codes."""
        node, edge = self.code, self.edge_code
        nodes: list[NodeLevel] = []
        links: list[EdgeLevel] = []
        for level in self.levels:
            node, built = self._nodes(level, node, edge)
            nodes.append(built)
            if len(links) < self.rounds:
                edge, link = self._edges(level, node, edge)
                links.append(link)
        return ViewPlan(tuple(nodes), tuple(links), torch.from_numpy(node))

    def _nodes(self, level: _Level, node: Ints, edge: Ints) -> tuple[Ints, NodeLevel]:
        classes = first = np.arange(len(node))
        if not self.all_rows:
            inputs = sorted_inputs(edge, self.dst, self.place, self.shape)
            classes, first = node_classes(level, node, inputs)
            if self._too_many(len(first), len(node)):
                classes = first = np.arange(len(node))
        sizes = self.in_ptr[first + 1] - self.in_ptr[first]
        ptr = np.concatenate([[0], np.cumsum(sizes)])
        dst = np.repeat(np.arange(len(first)), sizes)
        entries = np.arange(ptr[-1]) + (self.in_ptr[first] - ptr[:-1])[dst]
        arrays = (node[first], edge[entries], ptr, dst, self.code[first])
        return classes, NodeLevel(*(torch.from_numpy(a) for a in arrays))

    def _edges(self, level: _Level, node: Ints, edge: Ints) -> tuple[Ints, EdgeLevel]:
        src, back = node[self.src], edge[self.reverse]
        classes = first = np.arange(len(edge))
        if not self.all_rows:
            classes, first = level.edges.number((src << 32) | back)
            if self._too_many(len(first), len(edge)):
                classes = first = np.arange(len(edge))
        arrays = (src[first], back[first], self.edge_code[first])
        return classes, EdgeLevel(*(torch.from_numpy(a) for a in arrays))

    def _too_many(self, distinct: int, rows: int) -> bool:
        self.all_rows = distinct > self.stop_share * rows
        return self.all_rows


@dataclass(frozen=True, eq=False)
class JunctionPlan:
    """Distinct fragments with their atoms, and where each row of the batch finds itself."""

    atom_code: Tensor
    """[a] int64, atoms of the distinct fragments, side by side."""
    ptr: Tensor
    """[p+1] int64."""
    home: Tensor
    """[a] int64, distinct fragment of each atom."""
    fragment_code: Tensor
    """[p] int64."""
    atom_rows: Tensor | None
    """[A] int64, row among the a; None where the batch is computed as it stands."""
    fragment_rows: Tensor | None
    """[P] int64, row among the p; None as above."""

    def to(self, device: torch.device | str) -> JunctionPlan:
        """Return the plan on another device."""
        values = (self.atom_code, self.ptr, self.home, self.fragment_code)
        rows = (self.atom_rows, self.fragment_rows)
        moved = (None if r is None else r.to(device) for r in rows)
        return JunctionPlan(*(v.to(device) for v in values), *moved)


def plain_junction(atom_code: Tensor, home: Tensor, fragment_code: Tensor) -> JunctionPlan:
    """Return the plan that computes every row, atoms sorted by fragment, without a host sync."""
    home, order = torch.sort(home.long(), stable=True)
    rows = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=home.device))
    ptr = torch.searchsorted(home, torch.arange(len(fragment_code) + 1, device=home.device))
    return JunctionPlan(atom_code.long()[order], ptr, home, fragment_code.long(), rows, None)


def distinct_junction(atom_code: Tensor, home: Tensor, fragment_code: Tensor) -> JunctionPlan:
    """Return the plan that computes each distinct fragment once: its row and its atoms' rows.

    Args:
        atom_code: [A] int, on the CPU.
        home: [A] int, fragment of each atom.
        fragment_code: [P] int.
    """
    codes, homes = atom_code.long().numpy(), home.long().numpy()
    fragments = fragment_code.long().numpy()
    order = np.lexsort((codes, homes))
    ptr = np.searchsorted(homes[order], np.arange(len(fragments) + 1))
    classes, first = _groups(fragments, codes[order], ptr)
    sizes = np.diff(ptr)[first]
    new_ptr = np.concatenate([[0], np.cumsum(sizes)])
    new_home = np.repeat(np.arange(len(first)), sizes)
    entries = np.arange(new_ptr[-1]) + (ptr[first] - new_ptr[:-1])[new_home]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) - ptr[homes[order]]
    arrays = (
        codes[order][entries], new_ptr, new_home, fragments[first],
        new_ptr[classes[homes]] + rank, classes,
    )  # fmt: skip
    return JunctionPlan(*(torch.from_numpy(a) for a in arrays))


def _groups(fragments: Ints, codes: Ints, ptr: Ints) -> tuple[Ints, Ints]:
    """Rank fragments by their row, size and sorted atom rows, two atoms at a time."""
    sizes = np.diff(ptr)
    key, first = Interner().number((fragments << 32) | sizes)
    for column in range(0, int(sizes.max(initial=0)), 2):
        pair = [
            np.where(sizes > c, codes[np.minimum(ptr[:-1] + c, len(codes) - 1)] + 1, 0)
            for c in (column, column + 1)
        ]
        key, first = Interner().number(_pack(key, *pair))
    return key, first
