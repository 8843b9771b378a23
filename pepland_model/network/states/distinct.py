"""The plan that computes each distinct state of a view once.

After t rounds, the state of a node depends only on its neighbourhood of radius t. Nodes with equal
neighbourhoods have equal states, so the state of one of them is enough. Colour refinement (the idea
of arXiv 2304.14793 and 2007.06567) finds them level by level. Rows with equal states have the same
class, an integer:

    class of a node = (its class below, sorted classes below of the edges that enter it)
    class of an edge = (class of its source, class below of its reverse edge)

Below the first level, classes are codes. `KeyNumbers` numbers each distinct tuple, packed into a
64-bit key. A key holds the whole tuple, so different neighbourhoods never share a class.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pepland_model.network.edges import Edges
from pepland_model.network.states.every_row import every_row_plan
from pepland_model.network.states.key_numbers import LIMIT, Ints, KeyNumbers, pack
from pepland_model.network.states.plan import EdgeLevel, NodeLevel, ViewPlan

MAX_DEGREE = 64
"""With a node of more inputs there is no search. Molecules have no such node, but all padding bonds
of a batch enter the same node."""


@dataclass
class LevelClasses:
    """The classes of one level that have been met so far."""

    nodes: KeyNumbers = field(default_factory=KeyNumbers)
    folds: KeyNumbers = field(default_factory=KeyNumbers)
    """Start of a tuple that does not fit into one key."""
    edges: KeyNumbers = field(default_factory=KeyNumbers)

    def check_room(self) -> None:
        """Raise _KeyRangeError where there are more classes than a key has room for."""
        if max(map(len, (self.nodes, self.folds, self.edges))) >= LIMIT:
            raise _KeyRangeError


class _KeyRangeError(Exception):
    """More inputs or classes than a key has room for."""


def fresh_levels(rounds: int) -> list[LevelClasses]:
    """Return levels without classes, for all rounds and the last layer."""
    return [LevelClasses() for _ in range(rounds + 1)]


def distinct_plan(
    code: Tensor,
    edges: Edges,
    rounds: int,
    max_share: float,
    levels: list[LevelClasses] | None = None,
) -> ViewPlan:
    """Return the plan that computes each distinct state once.

    Args:
        code: [N] int, feature row of each node, on the CPU.
        edges: of the view, on the CPU.
        rounds: of message passing.
        max_share: where more than this share of the rows of a level is distinct, that level and the
            levels above it compute every row; with 1 this never happens.
        levels: classes of earlier batches, to which those of this batch are added. The plan then
            computes new classes only. If the `rows` of the plan are None, it computes every row
            instead, and the levels must not be used again.
    """
    search = _Search(code, edges, max_share)
    try:
        return search.plan(fresh_levels(rounds) if levels is None else levels)
    except _KeyRangeError:
        return every_row_plan(code, edges, rounds)


class _Search:
    """The search for the distinct states of one view."""

    def __init__(self, code: Tensor, edges: Edges, max_share: float) -> None:
        self.max_share = max_share
        self.code, self.edge_code = code.long().numpy(), edges.code.numpy()
        self.src, self.reverse = edges.src.numpy(), edges.reverse.numpy()
        self.in_ptr, dst = edges.in_ptr.numpy(), edges.dst.numpy()
        degree = np.diff(self.in_ptr)
        self.shape = (int(degree.max(initial=0)), len(degree))
        rank = np.arange(len(dst)) - self.in_ptr[dst]
        self.cell = rank * len(degree) + dst
        self.every_row = False

    def plan(self, levels: list[LevelClasses]) -> ViewPlan:
        """Return the plan; raise _KeyRangeError where the levels are of no use any more."""
        highest = max(array.max(initial=0) for array in (self.code, self.edge_code))
        if self.shape[0] > MAX_DEGREE or highest >= LIMIT:
            raise _KeyRangeError
        node, edge = self.code, self.edge_code
        nodes: list[NodeLevel] = []
        links: list[EdgeLevel] = []
        for level in levels:
            node, node_level = self._nodes(level, node, edge)
            nodes.append(node_level)
            if len(nodes) < len(levels):
                edge, edge_level = self._edges(level, node, edge)
                links.append(edge_level)
        return ViewPlan(tuple(nodes), tuple(links), torch.from_numpy(node))

    def _nodes(self, level: LevelClasses, node: Ints, edge: Ints) -> tuple[Ints, NodeLevel]:
        """Return the class of each node, and how the first node of each new class is computed."""
        classes = first = np.arange(len(node))
        if not self.every_row:
            inputs = sorted_inputs(edge, self.cell, self.shape)
            classes, first = self._checked(level, *node_classes(level, node, inputs))
        sizes = self.in_ptr[first + 1] - self.in_ptr[first]
        ptr = np.concatenate([[0], np.cumsum(sizes)])
        dst = np.repeat(np.arange(len(first)), sizes)
        place = np.arange(ptr[-1]) + (self.in_ptr[first] - ptr[:-1])[dst]
        arrays = (node[first], edge[place], ptr, dst, self.code[first])
        return classes, NodeLevel(*(torch.from_numpy(a) for a in arrays))

    def _edges(self, level: LevelClasses, node: Ints, edge: Ints) -> tuple[Ints, EdgeLevel]:
        """Return the class of each edge, and how the first edge of each new class is computed."""
        src, reverse = node[self.src], edge[self.reverse]
        classes = first = np.arange(len(edge))
        if not self.every_row:
            classes, first = self._checked(level, *level.edges.number((src << 32) | reverse))
        arrays = (src[first], reverse[first], self.edge_code[first])
        return classes, EdgeLevel(*(torch.from_numpy(a) for a in arrays))

    def _checked(self, level: LevelClasses, classes: Ints, first: Ints) -> tuple[Ints, Ints]:
        """Return the classes; where too many are distinct, a class of its own for every row."""
        level.check_room()
        self.every_row = len(first) > self.max_share * len(classes)
        every = np.arange(len(classes))
        return (every, every) if self.every_row else (classes, first)


def node_classes(level: LevelClasses, own: Ints, inputs: Ints) -> tuple[Ints, Ints]:
    """Return the class of each node, and the first node of each new class.

    A key has room for `own` and two inputs. Where a node has more, pairs of inputs are first folded
    into `own`, from the last pair on.

    Args:
        level: classes so far.
        own: [N] int64, class of the node below.
        inputs: [D, N] int64, classes of the incoming edges + 1, descending, then zeros.
    """
    mixed = own.copy()
    degree = len(inputs)
    if degree % 2 or not degree:
        inputs = np.concatenate([inputs, np.zeros((2 - degree % 2, len(own)), np.int64)])
    for row in range(len(inputs) - 2, 0, -2):
        nodes = np.flatnonzero(inputs[row])
        if len(nodes):
            keys = pack(mixed[nodes], inputs[row, nodes], inputs[row + 1, nodes])
            mixed[nodes] = level.folds.number(keys)[0] + LIMIT
    return level.nodes.number(pack(mixed, inputs[0], inputs[1]))


def sorted_inputs(edge_class: Ints, cell: Ints, shape: tuple[int, int]) -> Ints:
    """Return [D, N] int64: classes + 1 of the edges that enter each node, descending, then zeros.

    Args:
        edge_class: [E] int64.
        cell: [E] int64, place of each edge in the flattened result before sorting.
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
