"""A batch in a notebook: counts, shapes, types and its device."""

from __future__ import annotations

from dataclasses import replace

from pepland_data import HeteroBatch
from tests.helpers.page_reader import shown
from tests.helpers.pretrain_data import golden_graphs


def test_a_batch_shows_its_counts_shapes_and_device() -> None:
    graphs = golden_graphs()[:3]
    batch = HeteroBatch.from_graphs(graphs)
    words = shown(batch)
    assert words.startswith(f"HeteroBatch of 3 graphs on cpu, {batch.nbytes:,} bytes")
    atoms = sum(graph.num_atoms for graph in graphs)
    assert f"atoms {atoms:,} atom_code [{atoms}] int32" in words
    assert f"atom_x [{len(batch.tables.atom_x)}, 42] float32" in words
    assert "fragment_maskable" in words


def test_a_damaged_batch_shows_a_sentence() -> None:
    batch = HeteroBatch.from_graphs(golden_graphs()[:1])
    broken = replace(batch, tables=None)  # type: ignore[arg-type]
    assert shown(broken).startswith("HeteroBatch cannot be shown: ")
