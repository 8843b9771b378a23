"""Static arrays: after any sequence of batches the same bits as a loader with static shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from pepland_data import GraphLoader
from pepland_data.batch.byte_layout import Shape, arrays, host_batch, outline_of, spans, write_head
from pepland_data.batch.static_arrays import StaticArrays, capacity_for, shape_of
from pepland_data.graph.columns import GROUPS
from pepland_data.loader.tiers.host import HostSource
from pepland_data.loader.tiers.source import write_batch
from tests.helpers.loader_checks import same

GRAPHS = 8


@pytest.fixture(scope="module")
def loader(small_store) -> GraphLoader:
    return GraphLoader(small_store, tier="host")


@pytest.fixture(scope="module")
def room(loader) -> Shape:
    """A capacity for any 8 graphs of the store, and one spare row of each group."""
    sizes = loader.corpus.sizes(np.arange(len(loader.corpus)))
    return Shape(GRAPHS, {g: GRAPHS * int(n.max()) + 1 for g, n in sizes.items()})


def static_batch(loader, graphs, shape):
    """Return the batch that a loader with static shapes of this shape makes."""
    chosen = np.array(graphs, np.int64)
    outline = outline_of(chosen, loader.corpus.sizes(chosen), shape)
    out = arrays(np.full(spans(shape)[1], 7, np.uint8), shape)
    write_batch(out, outline, HostSource(loader.corpus))
    return host_batch(out, loader.tables)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_sequence_of_batches_gives_the_bits_of_static_batches(loader, room, data) -> None:
    static = StaticArrays(room, loader.tables)
    addresses = [getattr(static.batch, name).data_ptr() for name in ("atom_ptr", "reaction_code")]
    assert same(static.batch, static_batch(loader, [], room))
    rows = st.lists(st.integers(0, len(loader.corpus) - 1), max_size=GRAPHS)
    for graphs in data.draw(st.lists(rows, min_size=1, max_size=6)):
        batch = loader.batch(graphs)
        assert static.fits(batch)
        static.fill(batch)
        assert same(static.batch, static_batch(loader, graphs, room))
    assert addresses == [
        getattr(static.batch, name).data_ptr() for name in ("atom_ptr", "reaction_code")
    ]


@pytest.mark.parametrize("tier", ["mmap", "host", "device"])
def test_an_epoch_with_a_short_last_batch_is_that_of_a_loader_with_static_shapes(
    small_store, tier
) -> None:
    options = {"batch_size": 7, "seed": 2, "tier": tier}
    expected = GraphLoader(small_store, static_shapes=True, **options)
    assert len(small_store) % 7
    loader = GraphLoader(small_store, **options)
    static = StaticArrays(shape_of(next(iter(expected))), loader.tables)
    expected.set_epoch(0)
    for batch, other in zip(loader, expected, strict=True):
        static.fill(batch)
        assert same(static.batch, other)


def test_a_graph_without_bonds_and_an_empty_batch_are_padded(loader, room) -> None:
    sizes = {g: np.array([int(g in ("atom", "fragment"))]) for g in GROUPS}
    bare = outline_of(np.array([5]), sizes)
    out = arrays(np.zeros(spans(bare.shape)[1], np.uint8), bare.shape)
    write_head(out, bare)
    batch, static = host_batch(out, loader.tables), StaticArrays(room, loader.tables)
    static.fill(loader.batch(range(GRAPHS)))
    static.fill(batch)
    assert static.batch.bond_ptr.tolist() == [0] * (GRAPHS + 1)
    assert static.batch.atom_ptr.tolist() == [0] + [1] * GRAPHS
    assert static.batch.graph_index.tolist() == [5] + [-1] * (GRAPHS - 1)
    assert set(static.batch.bond_end.tolist()) == {room.rows["atom"] - 1}
    static.fill(loader.batch([]))
    assert same(static.batch, static_batch(loader, [], room))


def test_only_batches_with_a_spare_atom_and_fragment_fit(loader) -> None:
    batch = loader.batch(range(4))
    tight = shape_of(batch)
    for group in GROUPS:
        spare = 1 if group in ("atom", "fragment") else 0
        enough = {g: n + (g in ("atom", "fragment")) for g, n in tight.rows.items()}
        assert StaticArrays(Shape(4, enough), loader.tables).fits(batch)
        less = Shape(4, enough | {group: tight.rows[group] + spare - 1})
        static = StaticArrays(less, loader.tables)
        assert not static.fits(batch)
        with pytest.raises(ValueError, match="does not fit into"):
            static.fill(batch)
    assert not StaticArrays(Shape(3, dict.fromkeys(GROUPS, 10**4)), loader.tables).fits(batch)


@pytest.mark.parametrize("slack", [0.0, 0.2])
def test_a_capacity_is_in_multiples_and_has_room(loader, slack) -> None:
    for graphs in ([], [0], range(9)):
        batch = loader.batch(graphs)
        shape, bare = capacity_for(batch, slack), shape_of(batch)
        assert shape.graphs == bare.graphs
        for group, rows in shape.rows.items():
            least = max(bare.rows[group] + 1, (1 + slack) * bare.rows[group])
            assert rows % 64 == 0
            assert least <= rows < least + 65
        assert StaticArrays(shape, loader.tables).fits(batch)


class Operations(TorchDispatchMode):
    """Notes the operations that change memory."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        if "copy_" in name or "fill_" in name or "item" in name or "scalar" in name:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def test_a_full_batch_is_one_operation_and_reads_nothing_back(loader, room) -> None:
    static = StaticArrays(room, loader.tables)
    full, other = loader.batch(range(GRAPHS)), loader.batch(range(5, 5 + GRAPHS))
    static.fill(full)
    with Operations() as seen:
        static.fill(other)
    assert seen.names == ["aten._foreach_copy_.default"]
    with Operations() as seen:
        static.fill(loader.batch([1]))
    assert [n for n in seen.names if "foreach" in n] == ["aten._foreach_copy_.default"]
    assert not [n for n in seen.names if "item" in n or "scalar" in n]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_static_arrays_on_a_gpu_are_filled_without_a_synchronisation(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=7, device="cuda", tier="device")
    shape = replace(capacity_for(loader.batch(range(7)), 3.0), graphs=7)
    static = StaticArrays(shape, loader.tables, "cuda")
    plain, made = StaticArrays(shape, GraphLoader(small_store).tables), []
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in loader:
            static.fill(batch)
            made.append(
                (batch, {n: t.clone() for n, t in vars(static.batch).items() if n != "tables"})
            )
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for batch, filled in made:
        plain.fill(batch.to("cpu"))
        assert same(replace(static.batch, **filled).to("cpu"), plain.batch)
