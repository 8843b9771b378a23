"""The plan that computes each distinct state once; equal neighbourhoods have equal states.

After t rounds the state of a node depends only on its neighbourhood of radius t. Colour refinement
(arXiv 2304.14793, arXiv 2007.06567) finds equal neighbourhoods round by round. The class of a node
is its previous class and the sorted classes of its incoming edges. The class of an edge is the
class of its source and the previous class of its reverse. A key is these integers packed into 64
bits. Keys are compared exactly (`key_numbers`), so different neighbourhoods never share a class.
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
"""A node with more inputs (only padding has such nodes) switches the search off."""


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
            keys = pack(mixed[nodes], pair[0][nodes], pair[1][nodes])
            mixed[nodes] = level.folds.number(keys)[0] + LIMIT
    return level.nodes.number(pack(mixed, inputs[0], inputs[1]))


def pack(a: Ints, b: Ints, c: Ints) -> Ints:
    """Return three classes packed into one key of 64 bits. [N] int64."""
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
        stop_share: if more than this share of the rows of a level is distinct, that level and all
            later ones compute every row; 1 means never.
        levels: numbers that are kept from batch to batch. The plan then holds new states only. If
            its `rows` are None, it holds all rows of the batch, and `levels` is no longer valid.
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
            _FullError: `levels` is then no longer valid.
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
