"""The takers of every index of a plan, for backward passes that sort nothing.

All indices are sorted together: one sort of 32-bit integers for a whole plan. Indices whose takers
follow from the edges of a batch, and those that ascend, are not sorted at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, zip_longest
from typing import Any

import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchTables
from pepland_model.network import takers as by_takers
from pepland_model.network.edges import Edges
from pepland_model.network.kernels import devices as kernels
from pepland_model.network.states.plan import JunctionPlan, Plan, ViewPlan
from pepland_model.network.states.rooms import Rooms
from pepland_model.network.takers import Takers, in_parts, permuted_takers, sorted_takers


def wants_takers(device: torch.device) -> bool:
    """Return whether gradients are computed now, and are summed by takers on a device."""
    return torch.is_grad_enabled() and device.type in by_takers.DEVICES


@dataclass(frozen=True, eq=False)
class Asked:
    """An index of a level whose takers are wanted."""

    level: Any
    name: str
    index: Tensor
    """[E] int64."""
    rows: int
    """S, rows that the index takes from."""
    used: Tensor | None
    """[] int32, entries that count; None for all."""
    ptr: Tensor | None = None
    """[S+1] int64 where the index ascends."""


@dataclass
class KnownTakers:
    """The takers of indices that need no sort."""

    known: list[tuple[Tensor, Takers]] = field(default_factory=list)

    def add_edges(self, edges: Edges) -> None:
        """Add what every edge takes: the edges that leave a node are the reverse of those in."""
        self.known.append((edges.src, Takers(edges.reverse, edges.in_ptr, row=edges.dst)))
        self.known.append((edges.reverse, permuted_takers(edges.reverse)))

    def of(self, index: Tensor) -> Takers | None:
        """Return the takers of an index where they are known."""
        return next((takers for other, takers in self.known if other is index), None)


def with_takers(
    plan: Plan, tables: BatchTables, known: KnownTakers | None = None, rooms: Rooms | None = None
) -> Plan:
    """Return the plan with the takers of every index; this does not wait for the device.

    Args:
        plan: on a device. Views that already have takers stay as they are.
        tables: of the batch.
        known: takers that need no sort.
        rooms: of the plan, where its shapes are fixed.
    """
    known, rooms = known or KnownTakers(), rooms or Rooms()
    nodes, bonds = (len(tables.atom_x), len(tables.fragment_x)), len(tables.bond_x)
    asked: list[Asked] = []
    for view, rows in zip((plan.atoms, plan.fragments), nodes, strict=True):
        if view is not None and not view.nodes[0].takers:
            asked += _of_view(view, rows, bonds)
    if plan.junction is not None and not plan.junction.takers:
        asked += _of_junction(plan.junction, *nodes)
    by_level: dict[int, dict[str, Takers]] = {}
    for one, takers in solved(asked, known, rooms):
        by_level.setdefault(id(one.level), {})[one.name] = takers
    atoms, fragments = (_filled(view, by_level) for view in (plan.atoms, plan.fragments))
    return Plan(atoms, fragments, _with(plan.junction, by_level))


def solved(asked: Sequence[Asked], known: KnownTakers, rooms: Rooms) -> list[tuple[Asked, Takers]]:
    """Return the takers of each index that needs them; equal indices share theirs."""
    by_kernels = bool(asked) and kernels.runs_on(asked[0].index.device)
    if by_kernels:  # kernels run along the pointers of an index that ascends
        asked = [one for one in asked if one.ptr is None]
    for one in asked:
        if one.ptr is not None and known.of(one.index) is None:
            ascending = sorted_takers(one.ptr, len(one.index), one.index)
            known.known.append((one.index, ascending))
    unknown = {id(one.index): one for one in asked if known.of(one.index) is None}
    found = takers_together(list(unknown.values()), rooms) if unknown else []
    known.known += [(u.index, takers) for u, takers in zip(unknown.values(), found, strict=True)]
    return [(one, takers) for one in asked if (takers := known.of(one.index)) is not None]


@dataclass(frozen=True, eq=False)
class Layout:
    """How several indices lie one after the other; the same for all batches of fixed shapes.

    Each index has a row of its own for the entries that do not count, after its S rows.
    """

    owner: Tensor
    """[T] int64, index that each entry belongs to."""
    local: Tensor
    """[T] int64, number of each entry in its index."""
    shift: Tensor
    """[T] int32, first row of the index of each entry."""
    last: Tensor
    """[T] int64, row of the entries that do not count."""
    sizes: Tensor
    """[n] int32, entries of each index."""
    bounds: Tensor
    """[R] int32, all rows."""
    begin: Tensor
    """[R] int64, first entry of the index that each row belongs to."""

    @classmethod
    def of(cls, sizes: Sequence[int], rows: Sequence[int], device: torch.device) -> Layout:
        """Return the layout of indices of some sizes into some numbers of rows."""
        padded = [rows_with_rest(n) for n in rows]
        entries, count = sum(sizes), sum(padded)
        size, row, last = sent([sizes, padded, rows], device)
        numbers = torch.arange(entries, device=device)
        owner = torch.repeat_interleave(size, output_size=entries)
        starts, firsts = size.cumsum(0) - size, row.cumsum(0) - row
        return cls(
            owner, numbers - starts[owner], firsts[owner].int(), last[owner], size.int(),
            torch.arange(count, dtype=torch.int32, device=device),
            torch.repeat_interleave(starts, row, output_size=count),
        )  # fmt: skip


def rows_with_rest(rows: int) -> int:
    """Return the rows of an index, with one for entries that do not count, and some that are empty.

    Multiples of 64 keep the pointers of the next index aligned. Kernels are compiled again for
    pointers that are not.
    """
    return -(-(rows + 1) // 64) * 64


def sent(values: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Return integers on a device; the host does not wait for the copy."""
    made = torch.tensor(values)
    if device.type == "cuda" and torch.cuda.is_available():
        made = made.pin_memory()
    return made.to(device, non_blocking=True)


def takers_together(asked: Sequence[Asked], rooms: Rooms) -> list[Takers]:
    """Return the takers of several indices, with one sort."""
    sizes, rows = tuple(len(one.index) for one in asked), tuple(one.rows for one in asked)
    device = asked[0].index.device
    lay = rooms.kept((sizes, rows), lambda: Layout.of(sizes, rows, device))
    used = torch.stack(
        [lay.sizes[i] if one.used is None else one.used for i, one in enumerate(asked)]
    )
    index = torch.cat([one.index for one in asked])
    taken = torch.where(lay.local < used[lay.owner], index, lay.last)
    found = torch.sort(taken.int() + lay.shift, stable=True)
    ptr = torch.searchsorted(found.values, lay.bounds) - lay.begin
    order, row = lay.local[found.indices], found.values - lay.shift
    by_kernels, aligned, result = kernels.runs_on(device), rooms.sizes is not None, []
    ends, lasts = accumulate(sizes), accumulate(map(rows_with_rest, rows))
    for end, last, size, count in zip(ends, lasts, sizes, rows, strict=True):
        begin, first = end - size, last - rows_with_rest(count)
        part = order[begin:end], row[begin:end], ptr[first : first + count + 1]
        if by_kernels:
            mine = part if aligned else tuple(array.clone() for array in part)
            result.append(Takers(mine[0], mine[2], row=mine[1]))
        else:
            result.append(in_parts(part[0], part[1].long(), part[2]))
    return result


def _of_view(plan: ViewPlan, nodes: int, bonds: int) -> Iterator[Asked]:
    """Yield the indices of a view; `nodes` and `bonds` are the rows of its tables."""
    f_h, h = nodes, bonds
    for level, link in zip_longest(plan.nodes, plan.edges):
        rows = len(level.code)
        yield Asked(level, "dst", level.dst, rows, None, level.ptr)
        if level.own is not None:
            yield Asked(level, "own", level.own, f_h, level.used)
        if level.inputs is not None:
            yield Asked(level, "inputs", level.inputs, h, level.used_inputs)
        f_h = rows
        if link is None:  # the last layer is the one that takes rows of the node table
            yield Asked(level, "code", level.code, nodes, level.used)
            continue
        yield Asked(link, "src", link.src, f_h, link.used)
        yield Asked(link, "reverse", link.reverse, h, link.used)
        yield Asked(link, "code", link.code, bonds, link.used)
        h = len(link.code)
    if plan.rows is not None:
        yield Asked(plan, "rows", plan.rows, f_h, None)


def _of_junction(plan: JunctionPlan, atoms: int, fragments: int) -> Iterator[Asked]:
    p, a = len(plan.fragment_code), len(plan.atom_code)
    yield Asked(plan, "atom_fragment", plan.atom_fragment, p, None, plan.ptr)
    yield Asked(plan, "atom_code", plan.atom_code, atoms, plan.used_atoms)
    yield Asked(plan, "fragment_code", plan.fragment_code, fragments, plan.used)
    if plan.atom_rows is not None:
        yield Asked(plan, "atom_rows", plan.atom_rows, a, None)
    if plan.fragment_rows is not None:
        yield Asked(plan, "fragment_rows", plan.fragment_rows, p, None)


def _filled(view: ViewPlan | None, by_level: dict[int, dict[str, Takers]]) -> ViewPlan | None:
    if view is None or id(view.nodes[0]) not in by_level:
        return view
    nodes = tuple(_with(level, by_level) for level in view.nodes)
    links = tuple(_with(level, by_level) for level in view.edges)
    filled: ViewPlan = replace(_with(view, by_level), nodes=nodes, edges=links)
    return filled


def _with(level: Any, by_level: dict[int, dict[str, Takers]]) -> Any:
    return replace(level, takers=by_level[id(level)]) if id(level) in by_level else level
