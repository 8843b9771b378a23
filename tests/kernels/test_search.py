"""The search for equal states by kernels, against that by operations of torch.

On a CPU the interpreter runs the kernels.
"""

from __future__ import annotations

import pytest
import torch

from pepland_model.network.edges import directed_edges, view_edges
from pepland_model.network.kernels import devices as kernels
from pepland_model.network.states.device_search import search
from pepland_model.network.states.rooms import Rooms
from tests.helpers.model_batches import STATIC_ROWS, batch_of, static_batch

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ROUNDS = 3


def view_of(batch, name):
    """Return codes, edges and the number of real nodes of a view."""
    batch = batch.to(DEVICE)
    prefix = "bond" if name == "atom" else "reaction"
    code = getattr(batch, f"{name}_code")
    return code, view_edges(batch, prefix, len(code)), getattr(batch, f"{name}_ptr")[-1]


def both(view, sizes=None):
    """Return plan and rooms of the search by operations of torch, and by kernels."""
    found = []
    for devices in (set(), {DEVICE}):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "DEVICES", devices)
            rooms = Rooms(sizes)
            found.append((search("view", *view, ROUNDS, rooms), rooms))
    return found


def assert_equal(plain, by_kernels):
    """Compare plans, but for rows without a class."""
    assert torch.equal(plain.rows, by_kernels.rows)
    for expected, actual in zip(plain.edges, by_kernels.edges, strict=True):
        used = int(expected.used)
        assert used == int(actual.used)
        for name in ("src", "reverse", "code"):
            assert torch.equal(getattr(expected, name)[:used], getattr(actual, name)[:used])
            assert len(getattr(expected, name)) == len(getattr(actual, name))
    for expected, actual in zip(plain.nodes, by_kernels.nodes, strict=True):
        used, inputs = int(expected.used), int(expected.used_inputs)
        assert (used, inputs) == (int(actual.used), int(actual.used_inputs))
        for name, rows in (("own", used), ("code", used), ("ptr", used + 1), ("dst", inputs)):
            assert torch.equal(getattr(expected, name)[:rows], getattr(actual, name)[:rows]), name
            assert len(getattr(expected, name)) == len(getattr(actual, name))
        assert torch.equal(expected.inputs[:inputs], actual.inputs[:inputs])
        ends = actual.ptr[used:].tolist()
        assert ends == sorted(ends)
        assert ends[-1] <= len(actual.dst)


BATCHES = [lambda: batch_of([1, 2, 15, 1, 20, 15]), lambda: static_batch(STATIC_ROWS[0])]


@pytest.mark.parametrize("name", ["atom", "fragment"])
@pytest.mark.parametrize("make", BATCHES)
def test_the_search_finds_the_same_states(name, make) -> None:
    view = view_of(make(), name)
    (plain, rooms), (by_kernels, other) = both(view)
    assert_equal(plain, by_kernels)
    assert not bool(rooms.overflow())
    assert not bool(other.overflow())
    assert len(plain.nodes[-1].code) < len(view[0])
    sizes = {name: int(rows) + 7 for name, rows in rooms.counts.items()}
    (plain, rooms), (by_kernels, other) = both(view, sizes)
    assert_equal(plain, by_kernels)
    assert not bool(rooms.overflow())
    assert not bool(other.overflow())


@pytest.mark.parametrize("level", ["nodes 1", "edges 0", "inputs 0", "nodes 3"])
def test_a_room_that_is_too_small_is_found(level) -> None:
    view = view_of(batch_of([2, 15, 20]), "atom")
    (_, rooms), _ = both(view)
    sizes = {name: int(rows) + 7 for name, rows in rooms.counts.items()}
    sizes[f"view {level}"] = int(rooms.counts[f"view {level}"]) - 2
    for _, found in both(view, sizes):
        assert bool(found.overflow())


def test_nodes_with_the_same_edges_in_another_order_are_equal() -> None:
    # Two stars of three kinds of leaves, and one of two: the middles are nodes 0, 4 and 8.
    ends = torch.tensor([[0, 1], [0, 2], [0, 3], [4, 7], [4, 6], [4, 5], [8, 9], [8, 10], [11, 8]])
    code = torch.tensor([9, 1, 2, 3, 9, 1, 2, 3, 9, 1, 1, 3])
    begin, end = ends.T.contiguous().int().to(DEVICE)
    edges = directed_edges(begin, end, torch.ones_like(begin), len(code))
    view = code.int().to(DEVICE), edges, torch.tensor(len(code), device=DEVICE)
    (plain, _), (by_kernels, _) = both(view)
    assert_equal(plain, by_kernels)
    rows = by_kernels.rows.tolist()
    assert rows[0] == rows[4] != rows[8]
    assert [rows[i] == rows[j] for i, j in ((1, 5), (9, 10), (1, 9))] == [True, True, False]
