"""The search for distinct states on the device of a batch, by operations of torch.

It finds the classes of `distinct`, numbered alike, in arrays of fixed size (`rooms`), so that the
host does not wait and a training step can be recorded. A node with its inputs does not fit into one
key here: its key is a hash of 64 bits, and a second, independent hash is compared.

Rows of padding are nodes after the real ones. All padding edges are on one of them, and nobody asks
for its state: their inputs count as none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pepland_model.network.edges import Edges
from pepland_model.network.hashing import mix, mix_int
from pepland_model.network.kernels import devices as kernels
from pepland_model.network.states.distinct_rows import Classes, distinct
from pepland_model.network.states.plan import EdgeLevel, JunctionPlan, NodeLevel, ViewPlan
from pepland_model.network.states.rooms import Rooms

SALTS = (0x5851F42D4C957F2D, 0x14057B7EF767814F)
"""Of the two hashes."""


def salts(rooms: Rooms) -> tuple[int, int]:
    """Return the salts of the two hashes."""
    first, second = SALTS
    return first + rooms.salt, second + rooms.salt


def search(
    name: str, code: Tensor, edges: Edges, real: Tensor, rounds: int, rooms: Rooms
) -> ViewPlan:
    """Return the plan that computes each distinct state once.

    Args:
        name: of the view, the start of the names of its rooms.
        code: [N] int, feature row of each node.
        edges: of the view.
        real: [] int64, number of nodes; those after it are padding.
        rounds: of message passing.
        rooms: sizes of the levels.
    """
    if kernels.runs_on(code.device) and len(code) and len(edges.src):
        from pepland_model.network.kernels.jobs import device_of

        with device_of(code):
            return search_by_kernels(name, code, edges, real, rounds, rooms)
    return _Search(name, code, edges, real, rooms).plan(rounds)


def search_by_kernels(
    name: str, code: Tensor, edges: Edges, real: Tensor, rounds: int, rooms: Rooms
) -> ViewPlan:
    """Return the same plan by kernels, but for rows without a class: these have no inputs."""
    from pepland_model.network.kernels.number_rows import Table
    from pepland_model.network.kernels.search_levels import Zeros, edge_level, node_level

    exact = (rounds + 1) * len(code) + rounds * len(edges.src)
    most = sum(size for key, size in (rooms.sizes or {}).items() if key.startswith(name))
    table = Table(min(exact, most or exact), code.device)
    zeros = Zeros(name, rooms, code.device)
    first, second = salts(rooms)
    node, edge = code, edges.code
    nodes, links = [], []
    for i in range(rounds + 1):
        of_level = mix_int(2 * i + 1)
        node, level = node_level(
            name, i, code, node, edge, edges, real, table, (first, second, of_level), rooms, zeros
        )
        nodes.append(NodeLevel(**level))  # type: ignore[arg-type]
        if i < rounds:
            of_level = mix_int(2 * i + 2)
            edge, link = edge_level(name, i, node, edge, edges, table, of_level, rooms, zeros)
            links.append(EdgeLevel(**link))  # type: ignore[arg-type]
    rooms.refuse(*table.trouble.unbind())
    return ViewPlan(tuple(nodes), tuple(links), node)


class _Search:
    """The search for the distinct states of one view."""

    def __init__(self, name: str, code: Tensor, edges: Edges, real: Tensor, rooms: Rooms) -> None:
        self.name, self.code, self.edges, self.rooms = name, code.long(), edges, rooms
        self.real = torch.arange(len(code), device=code.device) < real
        self.size = torch.where(self.real, edges.in_degree(), 0)

    def plan(self, rounds: int) -> ViewPlan:
        """Return the plan of all levels."""
        node, edge = self.code, self.edges.code
        nodes, links = [], []
        for i in range(rounds + 1):
            node, level = self._nodes(i, node, edge)
            nodes.append(level)
            if i < rounds:
                edge, link = self._edges(i, node, edge)
                links.append(link)
        return ViewPlan(tuple(nodes), tuple(links), node)

    def _nodes(self, i: int, node: Tensor, edge: Tensor) -> tuple[Tensor, NodeLevel]:
        """Return the class of each node, and how the first node of each class is computed."""
        key, check = (self._hash(node, edge, salt) for salt in salts(self.rooms))
        classes = distinct(f"{self.name} nodes {i}", key, check, self.rooms)
        first = classes.first
        inputs = inputs_of(
            f"{self.name} inputs {i}", classes, self.size, self.edges.in_ptr, self.rooms
        )
        entries = inputs.rows.clamp_(max=max(len(edge) - 1, 0))
        level = NodeLevel(
            node[first], edge[entries], inputs.ptr, inputs.dst, self.code[first],
            used=classes.found, used_inputs=inputs.used,
        )  # fmt: skip
        return classes.of_row, level

    def _hash(self, node: Tensor, edge: Tensor, salt: int) -> Tensor:
        """Return a hash of each node's class and the classes of the edges that enter it.

        Sums do not depend on the order of the edges.
        """
        total = torch.zeros_like(node).index_add_(0, self.edges.dst, mix(edge + salt))
        return joined(node, torch.where(self.real, total, 0), salt)

    def _edges(self, i: int, node: Tensor, edge: Tensor) -> tuple[Tensor, EdgeLevel]:
        """Return the class of each edge, and how the first edge of each class is computed."""
        src, reverse = node[self.edges.src], edge[self.edges.reverse]
        classes = distinct(f"{self.name} edges {i}", (src << 32) | reverse, None, self.rooms)
        first, used = classes.first, classes.found
        level = EdgeLevel(src[first], reverse[first], self.edges.code[first], used=used)
        return classes.of_row, level


@dataclass(frozen=True, eq=False)
class Inputs:
    """Where the classes of a level take their inputs from."""

    ptr: Tensor
    """[K+1] int64, inputs ``ptr[k]`` to ``ptr[k+1]`` are those of class k."""
    dst: Tensor
    """[M] int64, class of each input."""
    rows: Tensor
    """[M] int64, row that each input is."""
    used: Tensor
    """[] int32, inputs of classes; those after them belong to rows without a class."""


def inputs_of(name: str, classes: Classes, size: Tensor, begin: Tensor, rooms: Rooms) -> Inputs:
    """Return the inputs of the first row of each class.

    Args:
        name: of the room.
        classes: of the N rows.
        size: [N] int64, inputs of each row.
        begin: [N] or [N+1] int64, first input of each row.
        rooms: size of the arrays.
    """
    device, rows = size.device, classes.room
    sizes = torch.where(classes.live(), size[classes.first], 0)
    ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    used = ptr[-1].int()
    room = rooms.fit(name, used)
    # Rows that are left over share the inputs that are left over: a device sums one long segment
    # slowly.
    dead = (torch.arange(rows + 1, device=device) - classes.found).clamp(min=0)
    ptr = ptr + dead * (room - used) // (rows - classes.found).clamp(min=1)
    ptr = ptr.clamp(min=0, max=room)
    numbers = torch.arange(room, device=device)
    dst = torch.searchsorted(ptr[1:], numbers, right=True).clamp_(max=max(rows - 1, 0))
    taken = (numbers + (begin[classes.first] - ptr[:-1])[dst]).clamp(min=0)
    return Inputs(ptr, dst, taken, used)


def search_junction(
    atom_code: Tensor, atom_fragment: Tensor, fragment_code: Tensor, real: Tensor, rooms: Rooms
) -> JunctionPlan:
    """Return the plan that computes each distinct fragment once, with its atoms.

    Args:
        atom_code: [A] int.
        atom_fragment: [A] int, fragment of each atom.
        fragment_code: [P] int.
        real: [] int64, number of fragments; those after it are padding.
        rooms: sizes of the arrays.
    """
    code, home, fragments = atom_code.long(), atom_fragment.long(), fragment_code.long()
    numbers = torch.arange(len(fragments) + 1, device=home.device)
    ordered, order = torch.sort((home << 32) | code, stable=True)
    owner = ordered >> 32
    ptr = torch.searchsorted(owner, numbers)
    size = torch.where(numbers[:-1] < real, ptr.diff(), 0)
    key, check = (_fragment_hash(fragments, code, home, salt) for salt in salts(rooms))
    classes = distinct("junction fragments", key, check, rooms)
    inputs = inputs_of("junction atoms", classes, size, ptr, rooms)
    codes = (ordered & 0xFFFFFFFF)[inputs.rows.clamp(max=max(len(code) - 1, 0))]
    place = torch.arange(len(code), device=home.device) - ptr[owner]
    place = inputs.ptr[classes.of_row[owner]] + place
    place = torch.where(owner < real, place, 0).clamp_(max=max(len(codes) - 1, 0))
    return JunctionPlan(
        codes, inputs.ptr, inputs.dst, fragments[classes.first],
        torch.empty_like(order).scatter_(0, order, place), classes.of_row,
        used=classes.found, used_atoms=inputs.used,
    )  # fmt: skip


def _fragment_hash(fragments: Tensor, code: Tensor, home: Tensor, salt: int) -> Tensor:
    """Return a hash of each fragment's code and the codes of its atoms. [P] int64."""
    total = torch.zeros_like(fragments).index_add_(0, home, mix(code + salt))
    return joined(fragments, total, salt)


def joined(own: Tensor, total: Tensor, salt: int) -> Tensor:
    """Return a hash of the own class of each row and the sum of the hashes of what enters it.

    The two are hashed in different ways: a node and its edge that changed places would otherwise
    have the same hash.
    """
    return mix(mix(~own ^ (salt >> 1)) + total)
