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

from pepland_model.network.edges import Edges
from pepland_model.network.states.key_numbers import Ints, KeyNumbers
from pepland_model.network.states.plan import EdgeLevel, NodeLevel, ViewPlan, plain_plan

FIELD = 21
"""Bits of a class in a key."""
LIMIT = 1 << (FIELD - 1)
"""Classes a level may have; the highest bit marks a key folded from further inputs."""
MAX_DEGREE = 64
"""Nodes of more inputs (only the ghost rows of padded batches) switch the search off."""


@dataclass
class _Level:
    """Numbers of one level: distinct nodes, their folded extra inputs, distinct edges."""

    nodes: KeyNumbers = field(default_factory=KeyNumbers)
    folds: KeyNumbers = field(default_factory=KeyNumbers)
    edges: KeyNumbers = field(default_factory=KeyNumbers)


def fresh_levels(rounds: int) -> list[_Level]:
    """Return empty numbers for all rounds and the last layer."""
    return [_Level() for _ in range(rounds + 1)]


def node_classes(level: _Level, own: Ints, inputs: Ints) -> tuple[Ints, Ints]:
    """Return the class of each node, and a node of each new class.

    Args:
        level: numbers so far.
        own: [N] int64, class of the node before.
        inputs: [D, N] int64, classes of the incoming edges + 1, descending, then zeros.
    """
    mixed = own.copy()
    degree = len(inputs)
    if degree % 2 or not degree:
        inputs = np.concatenate([inputs, np.zeros((2 - degree % 2, len(own)), np.int64)])
    for row in range(len(inputs) - 2, 0, -2):
        pair = inputs[row], inputs[row + 1]
        nodes = np.flatnonzero(pair[0])
        if len(nodes):
            keys = _pack(mixed[nodes], pair[0][nodes], pair[1][nodes])
            mixed[nodes] = level.folds.number(keys)[0] + LIMIT
    return level.nodes.number(_pack(mixed, inputs[0], inputs[1]))


def _pack(a: Ints, b: Ints, c: Ints) -> Ints:
    return (a << (2 * FIELD)) | (b << FIELD) | c


def sorted_inputs(edge_class: Ints, cell: Ints, shape: tuple[int, int]) -> Ints:
    """Return [D, N] int64: classes + 1 of each node's incoming edges, descending, then zeros.

    Args:
        edge_class: [E] int64.
        cell: [E] int64, place of each edge in the flat table: its rank at its node, its node.
        shape: D, N.
    """
    table = np.zeros(shape[0] * shape[1], np.int64)
    table[cell] = edge_class + 1
    table = table.reshape(shape)
    if shape[0] > 8:
        return -np.sort(-table, axis=0)
    for start in [k % 2 for k in range(shape[0])]:  # odd-even transposition sort of whole rows
        for row in range(start, shape[0] - 1, 2):
            low = np.minimum(table[row], table[row + 1])
            np.maximum(table[row], table[row + 1], out=table[row])
            table[row + 1] = low
    return table


def distinct_plan(
    code: Tensor,
    edges: Edges,
    rounds: int,
    stop_share: float = 0.9,
    levels: list[_Level] | None = None,
) -> ViewPlan:
    """Return the plan that computes each distinct state once.

    Args:
        code: [N] int, feature row of each node, on the CPU.
        edges: of the view, on the CPU.
        rounds: of message passing.
        stop_share: once more than this share of a level's rows is distinct, that level and all
            behind it compute every row; 1 means never.
        levels: numbers that outlive the batch; the plan then holds new states only, or, where its
            `rows` are None, all of the batch's, and the numbers are of no use any more.
    """
    finder = _Finder(code, edges, rounds, stop_share, levels)
    try:
        return finder.plan()
    except _FullError:
        return plain_plan(code, edges, rounds)


class _FullError(Exception):
    """More inputs or classes than a key has room for."""


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
        self.shape = (int(degree.max(initial=0)), len(degree))
        rank = np.arange(len(self.dst)) - self.in_ptr[self.dst]
        self.cell = rank * len(degree) + self.dst
        self.all_rows = False

    def plan(self) -> ViewPlan:
        """Return the plan; node and edge classes start as codes.

        Raises:
            _FullError: what `levels` holds is then of no use any more.
        """
        highest = max(array.max(initial=0) for array in (self.code, self.edge_code))
        if self.shape[0] > MAX_DEGREE or highest >= LIMIT:
            raise _FullError
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
            inputs = sorted_inputs(edge, self.cell, self.shape)
            classes, first = node_classes(level, node, inputs)
            _check_room(level.nodes, level.folds)
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
            _check_room(level.edges)
            if self._too_many(len(first), len(edge)):
                classes = first = np.arange(len(edge))
        arrays = (src[first], back[first], self.edge_code[first])
        return classes, EdgeLevel(*(torch.from_numpy(a) for a in arrays))

    def _too_many(self, distinct: int, rows: int) -> bool:
        self.all_rows = distinct > self.stop_share * rows
        return self.all_rows


def _check_room(*numbers: KeyNumbers) -> None:
    if any(len(each) >= LIMIT for each in numbers):
        raise _FullError


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
    if max(len(fragments), codes.max(initial=0), fragments.max(initial=0)) >= LIMIT:
        return plain_junction(atom_code, home, fragment_code)  # more than a key has room for
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
    """Number fragments by their row, size and sorted atom rows, two atoms at a time.

    Keys are compared among fragments of one size only, so the shorter ones need not go along.
    """
    sizes, key = np.diff(ptr), fragments.copy()
    for column in range(0, int(sizes.max(initial=0)), 2):
        longer = np.flatnonzero(sizes > column)
        size, at = sizes[longer], ptr[longer] + column
        second = np.where(size > column + 1, codes[np.minimum(at + 1, len(codes) - 1)] + 1, 0)
        key[longer] = KeyNumbers().number(_pack(key[longer], codes[at] + 1, second))[0]
    return KeyNumbers().number((key << 32) | sizes)
