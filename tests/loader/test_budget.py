"""Budgets and static shapes: limits that hold, and padding that changes no result."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data import GraphLoader, open_store
from pepland_data.graph.columns import GROUPS
from pepland_model import MaskOptions, PharmHGT, PharmHGTConfig, mask_batch
from tests.helpers.loader_checks import FIELDS, plain, rows_of, same

STATIC = {"batch_size": 7, "static_shapes": True, "seed": 2}


@given(atoms=st.integers(150, 900), edges=st.integers(320, 1500), graphs=st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_no_batch_exceeds_its_budget_and_none_has_room_for_the_next_graph(
    small_store, atoms, edges, graphs
) -> None:
    atoms = max(atoms, int(small_store.num_atoms.max()))
    edges = max(edges, 2 * int(small_store.num_bonds.max()))
    loader = GraphLoader(
        small_store, batch_size=graphs, max_atoms=atoms, max_edges=edges, tier="host"
    )
    batches = rows_of(loader)
    sizes = [
        (len(b), small_store.num_atoms[b].sum(), 2 * small_store.num_bonds[b].sum())
        for b in batches
    ]
    limits = (graphs, atoms, edges)
    assert all(all(s <= m for s, m in zip(size, limits, strict=True)) for size in sizes)
    assert sorted(g for b in batches for g in b) == list(range(len(small_store)))
    for batch, following in pairwise(batches):
        more = [*batch, following[0]]
        grown = (
            len(more),
            small_store.num_atoms[more].sum(),
            2 * small_store.num_bonds[more].sum(),
        )
        assert any(g > m for g, m in zip(grown, limits, strict=True))


def test_a_budget_is_computed_without_reading_a_shard(small_store) -> None:
    store = open_store(small_store.path)
    loader = GraphLoader(store, max_atoms=int(store.num_atoms.max()), tier="mmap")
    assert len(loader) > 1
    assert not store._shards._mapped


@pytest.mark.parametrize("tier", ["mmap", "host", "device"])
def test_with_static_shapes_all_batches_have_one_shape(small_store, tier) -> None:
    loader = GraphLoader(small_store, tier=tier, **STATIC)
    batches = list(loader)
    shapes = {tuple(getattr(b, f).shape for f in FIELDS) for b in batches}
    assert (len(shapes), len(batches)) == (1, len(loader))
    assert sum(len(b.graph_index) for b in batches) > len(small_store)


def test_padding_is_equal_on_all_tiers(small_store) -> None:
    loaders = [GraphLoader(small_store, tier=t, **STATIC) for t in ("mmap", "host", "device")]
    for one, *others in zip(*loaders, strict=True):
        assert all(same(one, other) for other in others)


def test_the_real_rows_of_a_padded_batch_are_those_of_the_unpadded_batch(small_store) -> None:
    loader = GraphLoader(small_store, **STATIC)
    for padded in loader:
        real = [g for g in padded.graph_index.tolist() if g >= 0]
        expected = plain(loader, real)
        for group, names in GROUPS.items():
            count = int(padded.__dict__[f"{group}_ptr"][-1])
            for name in names:
                rows = getattr(padded, name)
                assert torch.equal(rows[:count], getattr(expected, name))
                at_home = {"atom_fragment": "fragment", "bond_begin": "atom", "bond_end": "atom",
                           "reaction_begin": "fragment", "reaction_end": "fragment"}  # fmt: skip
                home = at_home.get(name)
                padding = len(getattr(padded, f"{home}_code")) - 1 if home else 0
                assert (rows[count:] == padding).all()
        assert len(padded.atom_code) > int(padded.atom_ptr[-1])
        assert len(padded.fragment_code) > int(padded.fragment_ptr[-1])
        assert set(padded.graph_index[len(real) :].tolist()) <= {-1}


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
def test_padding_changes_no_output_of_the_network(small_store, output) -> None:
    torch.manual_seed(0)
    model = PharmHGT(PharmHGTConfig(hidden=16, depth=3, output=output)).eval()
    loader = GraphLoader(small_store, **STATIC)
    *_, padded = loader
    real = [g for g in padded.graph_index.tolist() if g >= 0]
    assert len(real) < padded.num_graphs
    bare = plain(loader, real)
    with torch.no_grad():
        out, expected = model(padded), model(bare)
    atoms, fragments = len(bare.atom_code), len(bare.fragment_code)
    torch.testing.assert_close(out.atom[:atoms], expected.atom, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(out.fragment[:fragments], expected.fragment, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["pep", "residue", "atom"])
def test_padding_changes_no_mask_and_is_never_masked(small_store, mode) -> None:
    loader = GraphLoader(small_store, **STATIC)
    *_, padded = loader
    bare = plain(loader, [g for g in padded.graph_index.tolist() if g >= 0])
    options = MaskOptions(mode=mode, mask_bonds=True)
    one, other = mask_batch(padded, options, 3, 1), mask_batch(bare, options, 3, 1)
    for name in ("atom_target", "bond_target"):
        found, expected = getattr(one, name), getattr(other, name)
        assert torch.equal(found[: len(expected)], expected)
        assert (found[len(expected) :] == -100).all()
    assert torch.equal(one.fragment_masked[: len(other.fragment_masked)], other.fragment_masked)
    assert not one.fragment_masked[len(other.fragment_masked) :].any()


@pytest.mark.parametrize("mode", ["pep", "residue", "atom"])
def test_a_graph_has_the_same_masks_in_any_batch_and_on_any_rank(small_store, mode) -> None:
    options = MaskOptions(mode=mode)
    masks: dict[int, list[list[int]]] = {}
    for batch_size, world in ((3, 1), (5, 2), (8, 3)):
        for rank in range(world):
            for b in GraphLoader(small_store, batch_size, rank=rank, world_size=world):
                masked = mask_batch(b, options, seed=1, epoch=4)
                for i, row in enumerate(b.graph_index.tolist()):
                    atoms = slice(int(b.atom_ptr[i]), int(b.atom_ptr[i + 1]))
                    masks.setdefault(row, []).append(masked.atom_target[atoms].tolist())
    assert all(len(found) == 3 and found[0] == found[1] == found[2] for found in masks.values())


def test_shapes_without_a_given_limit_are_not_much_larger_than_needed(small_store) -> None:
    batch = next(iter(GraphLoader(small_store, batch_size=16, static_shapes=True)))
    mean = float(np.mean(small_store.num_atoms)) * 16
    assert len(batch.atom_code) < 4 * mean
