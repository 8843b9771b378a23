"""Tables in canonical order, codes that match them, flat columns, and vocabularies."""

from __future__ import annotations

import numpy as np
import pytest

from pepland_data.errors import InputError
from pepland_data.graph.columns import columns_of_one, concat, ragged_rows
from pepland_data.graph.feature_tables import (
    FeatureTables,
    empty_keys,
    merge_tables,
    table_keys,
    tables_from_keys,
)
from pepland_data.graph.heterograph import HeteroGraph, both_directions
from pepland_data.graph.vocabulary import Vocabulary


def tables_with(seeds: list[int]) -> FeatureTables:
    """Return tables with one random row per seed, so that two tables can share rows."""
    atoms, bonds, fragments = empty_keys()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        atoms.append((seed % 7, seed % 3, rng.random(42, np.float32).tobytes()))
        bonds.append(rng.integers(0, 2, 14, np.uint8).tobytes())
        fragments.append((f"C{seed}", rng.integers(0, 2, 196, np.uint8).tobytes()))
    return tables_from_keys((atoms, bonds, fragments))


def test_the_mask_row_keeps_code_zero() -> None:
    merged, recodes = merge_tables([tables_with([3, 1]), tables_with([2])])
    assert merged.fragment_smiles[0] == ""
    assert all(recode.atom[0] == recode.bond[0] == recode.fragment[0] == 0 for recode in recodes)
    np.testing.assert_array_equal(np.flatnonzero(merged.fragment_x[0]), [167, 195])
    assert merged.atom_x[0].sum() == pytest.approx(6.01)


def test_the_order_of_parts_does_not_matter() -> None:
    one, _ = merge_tables([tables_with([5, 9]), tables_with([1, 5])])
    other, _ = merge_tables([tables_with([1]), tables_with([9, 5])])
    assert one.same_as(other)


def test_a_recoded_code_means_the_same_row() -> None:
    part = tables_with([8, 4, 6])
    merged, (_, recode) = merge_tables([tables_with([1, 2]), part])
    np.testing.assert_array_equal(merged.atom_x[recode.atom], part.atom_x)
    np.testing.assert_array_equal(merged.atom_label[recode.atom], part.atom_label)
    np.testing.assert_array_equal(merged.bond_x[recode.bond], part.bond_x)
    assert [merged.fragment_smiles[c] for c in recode.fragment] == list(part.fragment_smiles)


def test_tables_from_keys_is_the_inverse_of_table_keys() -> None:
    tables = tables_with([3, 7])
    assert tables_from_keys(table_keys(tables)).same_as(tables)


def test_ragged_rows_returns_the_chosen_segments_in_order() -> None:
    rows, ptr = ragged_rows(np.array([0, 2, 2, 5]), np.array([2, 0, 1, 2]))
    assert rows.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert ptr.tolist() == [0, 3, 5, 5, 8]


def small_graph(fragments: list[int]):
    n = len(fragments)
    arrays = {
        "atom_code": np.arange(n) % 4,
        "atom_fragment": np.arange(n),
        "fragment_code": fragments,
        "fragment_residue": np.zeros(n, int),
        "bond_begin": np.arange(n - 1),
        "bond_end": np.arange(1, n),
        "bond_code": np.ones(n - 1, int),
        "reaction_begin": np.arange(n - 1),
        "reaction_end": np.arange(1, n),
        "reaction_code": np.ones(n - 1, int),
    }
    return HeteroGraph("x", tables_with([1, 2, 3]), columns_of_one(arrays))


def test_take_concat_and_slice_agree() -> None:
    many = concat([small_graph(fragments).columns for fragments in ([1], [1, 2], [3])])
    taken = many.take([1, 2])
    for name, values in vars(many.slice(1, 3)).items():
        np.testing.assert_array_equal(getattr(taken, name), values)
    assert taken.fragment_code.tolist() == [1, 2, 3]


def test_graphs_are_equal_when_their_codes_mean_the_same() -> None:
    graph = small_graph([1, 2])
    merged, (_, recode) = merge_tables([tables_with([40, 50]), graph.tables])
    assert HeteroGraph("x", merged, graph.columns.recode(recode)) == graph
    assert small_graph([2, 1]) != graph


def test_both_directions_are_adjacent() -> None:
    index = both_directions(np.array([4, 2]), np.array([7, 3]))
    assert index.tolist() == [[4, 7, 2, 3], [7, 4, 3, 2]]
    assert index.dtype == np.int32


def test_unknown_fragments_get_the_last_label() -> None:
    labels = small_graph([1, 3]).fragment_label(["C3", "N"])
    assert labels.tolist() == [2, 0]


def test_a_vocabulary_rejects_duplicates_and_unreadable_files(tmp_path) -> None:
    with pytest.raises(InputError, match="'CC' twice"):
        Vocabulary(("CC", "N", "CC"))
    with pytest.raises(InputError, match="cannot read"):
        Vocabulary.of(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match="empty"):
        Vocabulary.of(tmp_path / "empty.txt")


def test_a_vocabulary_read_from_its_file_is_equal(tmp_path) -> None:
    vocabulary = Vocabulary(("NC=O", "CC"))
    vocabulary.write(tmp_path / "v.txt")
    assert Vocabulary.of(str(tmp_path / "v.txt")) == vocabulary
