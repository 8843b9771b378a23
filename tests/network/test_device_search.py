"""The search for equal states on a device: the classes of the numpy search, in fixed rooms."""

from __future__ import annotations

import pytest
import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network import takers as by_takers
from pepland_model.network.states import device_search
from pepland_model.network.states.device_search import search, search_junction
from pepland_model.network.states.distinct import distinct_plan
from pepland_model.network.states.distinct_junction import distinct_junction
from pepland_model.network.states.distinct_rows import distinct
from pepland_model.network.states.plan import ViewPlan
from pepland_model.network.states.rooms import TRIES, Rooms, exactly
from pepland_model.network.view import ATOMS, FRAGMENTS, View
from tests.helpers.model_batches import MOLECULES, batch_of, masked, molecules, padded, small_model
from tests.helpers.pretrain_data import golden_batch

ROUNDS = 4
ROOM = {"atom": 70, "fragment": 9, "bond": 300, "reaction": 80}


def batches() -> dict[str, HeteroBatch]:
    odd = batch_of(list(range(min(MOLECULES, len(molecules())))))
    golden = golden_batch()
    return {
        "odd": odd,
        "odd, all atoms masked": masked(odd, "atom"),
        "golden": golden,
        "golden, masked": masked(golden, "pep", mask_bonds=True),
        "padded, masked": masked(padded(golden, ROOM, 3), "pep"),
    }


def found_in(batch: HeteroBatch, view: View, rooms: Rooms) -> ViewPlan:
    real = getattr(batch, f"{view.nodes}_ptr")[-1]
    return search(view.nodes, view.codes(batch), view.directed_edges(batch), real, ROUNDS, rooms)


def is_same_partition(one: torch.Tensor, other: torch.Tensor) -> bool:
    pairs = torch.stack([one, other]).unique(dim=1).shape[1]
    return pairs == len(one.unique()) == len(other.unique())


@pytest.mark.parametrize("name", batches())
@pytest.mark.parametrize("view", [ATOMS, FRAGMENTS], ids=["atoms", "fragments"])
def test_classes_are_those_of_the_numpy_search(name, view) -> None:
    batch = batches()[name]
    rooms = Rooms()
    found = found_in(batch, view, rooms)
    real = int(getattr(batch, f"{view.nodes}_ptr")[-1])
    assert not rooms.overflow()
    # There is no numpy search of padding: its edges are all on one node.
    plain = golden_batch() if name.startswith("padded") else batch
    plain = masked(plain, "pep") if name.startswith("padded") else plain
    expected = distinct_plan(view.codes(plain), view.directed_edges(plain), ROUNDS, 1.0)
    assert is_same_partition(found.rows[:real], expected.rows)
    if not name.startswith("padded"):
        assert found.counts() == expected.counts()


@pytest.mark.parametrize("name", batches())
def test_rooms_with_slack_hold_the_same_classes(name) -> None:
    batch = batches()[name]
    for view in (ATOMS, FRAGMENTS):
        exact = Rooms()
        expected = found_in(batch, view, exact)
        rooms = Rooms().grown_to(exact)
        found = found_in(batch, view, rooms)
        assert not rooms.overflow()
        assert torch.equal(found.rows, expected.rows)
        for level, wanted in zip(found.nodes, expected.nodes, strict=True):
            nodes, inputs = int(level.used), int(level.used_inputs)
            assert torch.equal(level.own[:nodes], wanted.own)
            assert torch.equal(level.ptr[: nodes + 1], wanted.ptr)
            assert torch.equal(level.inputs[:inputs], wanted.inputs)
            assert int(level.ptr[-1]) == len(level.inputs)
            # Rows that are left over share what is left over.
            assert int(level.ptr.diff()[nodes:].max()) <= -(-len(level.inputs) // 1)


@pytest.mark.parametrize("name", batches())
def test_the_junction_view_has_the_classes_of_the_numpy_search(name) -> None:
    batch = batches()[name]
    if name.startswith("padded"):
        pytest.skip("there is no numpy search of padding")
    codes = batch.atom_code, batch.atom_fragment, batch.fragment_code
    expected = distinct_junction(*codes)
    rooms = Rooms()
    found = search_junction(*codes, batch.fragment_ptr[-1], rooms)
    assert is_same_partition(found.fragment_rows, expected.fragment_rows)
    assert is_same_partition(found.atom_rows, expected.atom_rows)
    assert len(found.atom_code) == len(expected.atom_code)
    assert torch.equal(found.atom_code[found.atom_rows], batch.atom_code.long())


def test_a_room_that_is_too_small_is_noticed() -> None:
    batch = masked(golden_batch(), "pep")
    exact = Rooms()
    found_in(batch, ATOMS, exact)
    sizes = dict(Rooms().grown_to(exact).sizes)
    for name, needed in exact.counts.items():
        spare = 0 if "inputs" in name else 1
        for size, fits in ((int(needed) + spare, True), (int(needed) + spare - 1, False)):
            rooms = Rooms(sizes | {name: size})
            found_in(batch, ATOMS, rooms)
            assert bool(rooms.overflow()) is not fits, (name, size)


def test_grown_rooms_hold_what_did_not_fit_and_never_shrink() -> None:
    small, large = Rooms({"a": 100, "b": 5000}), Rooms()
    large.counts = {"a": torch.tensor(300), "b": torch.tensor(2)}
    grown = small.grown_to(large)
    assert grown.sizes["a"] > 300
    assert grown.sizes["b"] == 5000


def test_two_rows_with_one_key_are_noticed_and_searched_again_with_another_salt() -> None:
    key = torch.tensor([5, 7, 5, 7])
    rooms = Rooms()
    distinct("rows", key, torch.tensor([1, 2, 1, 2]), rooms)
    assert not rooms.overflow()
    rooms.clear()
    distinct("rows", key, torch.tensor([1, 2, 1, 3]), rooms)
    assert rooms.overflow()

    salts = []

    def collides_twice(rooms: Rooms) -> int:
        salts.append(rooms.salt)
        rooms.refuse(torch.tensor(rooms.salt < 2))
        return rooms.salt

    assert exactly(collides_twice) == 2
    assert salts == [0, 1, 2]
    with pytest.raises(RuntimeError, match="collisions"):
        exactly(lambda rooms: rooms.refuse(torch.tensor(True)))
    assert len(device_search.SALTS) < TRIES


def test_a_node_and_its_edge_that_change_places_have_other_hashes(monkeypatch) -> None:
    """Without different ways of hashing, (node a, edge b) and (node b, edge a) would be equal."""
    rooms = Rooms()
    batch = batch_of([2])  # two atoms and a bond
    code = batch.atom_code.clone()
    edges = ATOMS.directed_edges(batch)
    swapped = torch.tensor([int(edges.code[0]), int(code[0])])
    plan = search("atom", swapped, edges, torch.tensor(2), 1, rooms)
    assert int(plan.nodes[0].used) == len(swapped.unique())


def test_numbers_are_those_of_first_appearance() -> None:
    classes = distinct("rows", torch.tensor([9, 3, 9, -4, 3, 8]), None, Rooms())
    assert classes.of_row.tolist() == [0, 1, 0, 2, 1, 3]
    assert classes.first.tolist() == [0, 1, 3, 5]
    empty = distinct("rows", torch.zeros(0, dtype=torch.int64), None, Rooms())
    assert (len(empty.of_row), len(empty.first), int(empty.found)) == (0, 0, 0)


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("is_padded", [False, True])
def test_states_in_rooms_have_the_values_and_gradients_of_every_row(
    monkeypatch, output, is_padded
) -> None:
    monkeypatch.setattr(by_takers, "DEVICES", {"cpu"})
    plain = masked(golden_batch(list(range(12))), "pep")
    batch = masked(padded(golden_batch(list(range(12))), ROOM, 3), "pep") if is_padded else plain
    net = small_model(output, dedup=False).double()

    def run(states):
        net.zero_grad()
        atoms, fragments = states()
        (atoms.square().sum() + fragments.square().sum()).backward()
        grads = {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}
        return {"atoms": atoms.detach(), "fragments": fragments.detach()} | grads

    def every_row():
        out = net(plain)
        return out.atom_embedding, out.fragment_embedding

    exact = Rooms()
    net.search_states(batch, exact)
    rooms = Rooms().grown_to(exact)

    def once():
        out, found = net.states(batch, rooms)
        atoms, fragments = len(plain.atom_code), len(plain.fragment_code)
        return (
            out.atom_embedding[found.of_atom[:atoms]],
            out.fragment_embedding[found.of_fragment[:fragments]],
        )

    expected, actual = run(every_row), run(once)
    assert not rooms.overflow()
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        assert (actual[name] - value).norm() <= 1e-11 * max(1.0, float(value.norm())), name
