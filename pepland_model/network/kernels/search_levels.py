"""The levels of the search for distinct states, a few kernels each.

They give the arrays of `pepland_model.network.states.device_search`, but for rows without a class:
those have no inputs.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from torch import Tensor

from pepland_model.network.kernels.number_rows import (
    BLOCK,
    Table,
    arrays,
    inserted,
    last_of,
    mixed,
)

if TYPE_CHECKING:
    from pepland_model.network.edges import Edges
    from pepland_model.network.states.rooms import Rooms


@triton.jit
def _node_slots(
    node, edge, in_ptr, real, keys, lowest, trouble, slot_of, check_of, count, slots, salt, other,
    level, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = row < count
    own = tl.load(node + row, mask=used, other=0).to(tl.int64)
    entry = tl.load(in_ptr + row, mask=used, other=0)
    end = tl.load(in_ptr + row + 1, mask=used, other=0)
    end = tl.where(row < tl.load(real), end, entry)
    first = tl.zeros_like(own)
    second = tl.zeros_like(own)
    while tl.max(end - entry, 0) > 0:
        more = used & (entry < end)
        below = tl.load(edge + entry, mask=more, other=0).to(tl.int64)
        first += tl.where(more, mixed(below + salt), 0)
        second += tl.where(more, mixed(below + other), 0)
        entry += 1
    key = mixed(mixed(~own ^ (salt >> 1)) + first) ^ level
    check = mixed(mixed(~own ^ (other >> 1)) + second)
    slot = inserted(keys, lowest, trouble, key, row, used, slots)
    tl.store(slot_of + row, slot, mask=used)
    tl.store(check_of + row, check, mask=used)


@triton.jit
def _node_rows(
    node, code, edge, in_ptr, real, lowest, trouble, slot_of, check_of, numbers, class_of, own_of,
    code_of, ptr, inputs, dst, count, room, inputs_room, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = row < count
    leader = tl.load(lowest + tl.load(slot_of + row, mask=used, other=0), mask=used, other=0)
    number = tl.load(numbers + leader, mask=used, other=1)
    place = (number & 0xFFFFFFFF) - 1
    tl.store(class_of + row, tl.minimum(place, room - 1), mask=used)
    check = tl.load(check_of + row, mask=used, other=0)
    differs = used & (check != tl.load(check_of + leader, mask=used, other=0))
    tl.store(trouble + 1 + tl.zeros_like(row), tl.full(row.shape, 1, tl.int32), mask=differs)
    leads = used & (leader == row) & (place < room)
    tl.store(own_of + place, tl.load(node + row, mask=leads, other=0).to(tl.int64), mask=leads)
    tl.store(code_of + place, tl.load(code + row, mask=leads, other=0).to(tl.int64), mask=leads)
    source = tl.load(in_ptr + row, mask=leads, other=0)
    end = tl.load(in_ptr + row + 1, mask=leads, other=0)
    end = tl.where(row < tl.load(real), end, source)
    stop = number >> 32
    tl.store(ptr + place + 1, tl.minimum(stop, inputs_room), mask=leads)
    to = stop - (end - source)
    while tl.max(end - source, 0) > 0:
        more = leads & (source < end) & (to < inputs_room)
        below = tl.load(edge + source, mask=more, other=0).to(tl.int64)
        tl.store(inputs + to, below, mask=more)
        tl.store(dst + to, place, mask=more)
        source = tl.where(more, source + 1, end)
        to += 1
    # Rows of the array without a class have no inputs.
    total = tl.load(numbers + count - 1)
    empty = (row >= (total & 0xFFFFFFFF)) & (row < room)
    tl.store(ptr + row + 1, tl.minimum(tl.zeros_like(row) + (total >> 32), inputs_room), mask=empty)
    tl.store(ptr + row, tl.zeros_like(row), mask=row == 0)


@triton.jit
def _edge_slots(
    node, edge, src, reverse, keys, lowest, trouble, slot_of, count, slots, level,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = row < count
    source, back = _ends(node, edge, src, reverse, row, used)
    key = mixed(((source << 32) | back) ^ level)
    slot = inserted(keys, lowest, trouble, key, row, used, slots)
    tl.store(slot_of + row, slot, mask=used)


@triton.jit
def _ends(node, edge, src, reverse, row, used):
    source = tl.load(node + tl.load(src + row, mask=used, other=0), mask=used, other=0)
    back = tl.load(edge + tl.load(reverse + row, mask=used, other=0), mask=used, other=0)
    return source.to(tl.int64), back.to(tl.int64)


@triton.jit
def _edge_rows(
    node, edge, src, reverse, code, lowest, trouble, slot_of, number, class_of, src_of, reverse_of,
    code_of, count, room, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    used = row < count
    leader = tl.load(lowest + tl.load(slot_of + row, mask=used, other=0), mask=used, other=0)
    leader = leader.to(tl.int64)
    place = tl.load(number + leader, mask=used, other=1) - 1
    tl.store(class_of + row, tl.minimum(place, room - 1), mask=used)
    source, back = _ends(node, edge, src, reverse, row, used)
    other_source, other_back = _ends(node, edge, src, reverse, leader, used)
    differs = used & ((source != other_source) | (back != other_back))
    tl.store(trouble + 1 + tl.zeros_like(row), tl.full(row.shape, 1, tl.int32), mask=differs)
    leads = used & (leader == row) & (place < room)
    tl.store(src_of + place, source, mask=leads)
    tl.store(reverse_of + place, back, mask=leads)
    tl.store(code_of + place, tl.load(code + row, mask=leads, other=0).to(tl.int64), mask=leads)


class Zeros:
    """Zeros for the arrays of all levels of a view, made at once where sizes are fixed.

    Args:
        name: of the view.
        rooms: sizes of the arrays.
        device: of the arrays.
    """

    ARRAYS = ("nodes", 2), ("inputs", 2), ("edges", 3)

    def __init__(self, name: str, rooms: "Rooms", device: torch.device) -> None:
        sizes = rooms.sizes or {}
        total = sum(
            rows * count
            for kind, count in self.ARRAYS
            for key, rows in sizes.items()
            if key.startswith(f"{name} {kind} ")
        )
        self._free = torch.zeros(total, dtype=torch.int64, device=device)

    def __call__(self, count: int, rows: int) -> Tensor:
        """Return zeros. [count, rows] int64."""
        size = count * rows
        if size > len(self._free):
            return self._free.new_zeros(count, rows)
        part, self._free = self._free[:size], self._free[size:]
        return part.view(count, rows)


def node_level(
    name: str, number: int, code: Tensor, node: Tensor, edge: Tensor, edges: "Edges",
    real: Tensor, table: Table, salts: tuple[int, int, int], rooms: "Rooms",
    zeros: "Zeros",
) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
    """Return the class of each node, and the fields of the `NodeLevel` of the classes.

    Args:
        name: of the view.
        number: of the level.
        code: [N] int, feature rows.
        node: [N] int, classes below.
        edge: [E] int, classes below.
        edges: of the view.
        real: [] int64, nodes that are not padding.
        table: of the search.
        salts: of the two hashes, and of the level.
        rooms: sizes of the arrays.
        zeros: memory for them.
    """
    count, grid = len(node), (triton.cdiv(len(node), BLOCK),)
    slot_of, check_of, class_of = arrays(3, count, node.device)
    _node_slots[grid](
        node, edge, edges.in_ptr, real, table.keys, table.lowest, table.trouble, slot_of, check_of,
        count, table.slots, *salts, BLOCK=BLOCK,
    )  # fmt: skip
    numbers = table.numbers(slot_of, edges.in_ptr, real)
    found, entries = last_of(numbers)
    room = rooms.fit(f"{name} nodes {number}", found, spare=1)
    inputs_room = rooms.fit(f"{name} inputs {number}", entries)
    (own_of, code_of), (inputs, dst) = zeros(2, room), zeros(2, inputs_room)
    ptr = numbers.new_empty(room + 1)
    _node_rows[(triton.cdiv(max(count, room), BLOCK),)](
        node, code, edge, edges.in_ptr, real, table.lowest, table.trouble, slot_of, check_of,
        numbers, class_of, own_of, code_of, ptr, inputs, dst, count, room, inputs_room, BLOCK=BLOCK,
    )  # fmt: skip
    return class_of, {
        "own": own_of, "inputs": inputs, "ptr": ptr, "dst": dst, "code": code_of,
        "used": found, "used_inputs": entries,
    }  # fmt: skip


def edge_level(
    name: str, number: int, node: Tensor, edge: Tensor, edges: "Edges", table: Table, salt: int,
    rooms: "Rooms", zeros: "Zeros",
) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
    """Return the class of each edge, and the fields of the `EdgeLevel` of the classes.

    Args:
        name: of the view.
        number: of the level.
        node: [N] int, classes of the same level.
        edge: [E] int, classes below.
        edges: of the view.
        table: of the search.
        salt: of the level.
        rooms: sizes of the arrays.
        zeros: memory for them.
    """
    count, grid = len(edge), (triton.cdiv(len(edge), BLOCK),)
    slot_of, class_of = arrays(2, count, node.device)
    _edge_slots[grid](
        node, edge, edges.src, edges.reverse, table.keys, table.lowest, table.trouble, slot_of,
        count, table.slots, salt, BLOCK=BLOCK,
    )  # fmt: skip
    numbers = table.numbers(slot_of)
    found, _ = last_of(numbers)
    room = rooms.fit(f"{name} edges {number}", found, spare=1)
    src_of, reverse_of, code_of = zeros(3, room)
    _edge_rows[grid](
        node, edge, edges.src, edges.reverse, edges.code, table.lowest, table.trouble, slot_of,
        numbers, class_of, src_of, reverse_of, code_of, count, room, BLOCK=BLOCK,
    )  # fmt: skip
    level = {"src": src_of, "reverse": reverse_of, "code": code_of, "used": found}
    return class_of, level
