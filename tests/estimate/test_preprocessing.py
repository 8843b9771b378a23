"""Hours, bytes and loading of a store."""

from __future__ import annotations

import os
import sys

import pytest

from pepland_data.errors import InputError
from pepland_data.store.graph_store import open_store
from pepland_model.estimate.here import preprocessing
from pepland_model.estimate.here.conversion import conversion_hours, synthetic_smiles
from pepland_model.estimate.here.preprocessing import (
    MANY_CORES,
    measure_preprocessing,
    preprocessing_answer,
    store_figures,
    temporary_store,
)

FIGURES = {
    "left_out": None, "of_store": None, "smiles_per_s": 20_000.0, "counted": 7_000,
    "rdkit_share": 0.01, "atoms_per_graph": 123.6, "bytes_per_graph": 1_500.0,
    "loaded_graphs_per_s": 400_000.0,
}  # fmt: skip


@pytest.fixture
def without_rdkit(monkeypatch):
    monkeypatch.delitem(sys.modules, "pepland_data.chem.featurizer", raising=False)
    monkeypatch.setitem(sys.modules, "rdkit", None)


def test_each_build_has_a_row_for_this_machine_and_one_for_many_cores() -> None:
    answer = preprocessing_answer(FIGURES, [1_000_000, 50_000_000], cores=2)
    assert [(row["peptides"], row["cores"]) for row in answer.rows] == [
        (1_000_000, 2), (1_000_000, MANY_CORES), (50_000_000, 2), (50_000_000, MANY_CORES),
    ]  # fmt: skip
    for row in answer.rows:
        assert row["hours"] == conversion_hours(row["peptides"], 20_000, row["cores"])
    assert [row["store_gb"] for row in answer.rows] == [1.5, 1.5, 75, 75]
    assert any("20 cores" in note for note in answer.notes)


def test_the_cores_of_this_process_are_those_it_may_use() -> None:
    found = {row["cores"] for row in preprocessing_answer(FIGURES, [10]).rows}
    assert found == {len(os.sched_getaffinity(0)), MANY_CORES}


def test_a_machine_with_as_many_cores_has_one_row() -> None:
    assert len(preprocessing_answer(FIGURES, [10], cores=MANY_CORES).rows) == 1


def test_the_bytes_are_those_of_the_files(small_store) -> None:
    files = [path for path in small_store.path.rglob("*") if path.is_file()]
    size = sum(p.stat().st_size for p in files if p.name != "manifest.json")
    found = store_figures(small_store, 0.01)
    assert found["bytes_per_graph"] == size / len(small_store)
    assert found["loaded_graphs_per_s"] > 0


def test_a_loader_draws_from_the_first_graphs_only(small_store, monkeypatch) -> None:
    monkeypatch.setattr(preprocessing, "LOADED", 10)
    store = open_store(small_store.path)
    store_figures(store, 0.0)
    assert store._checked == {0}


def test_a_store_without_graphs_has_no_figures() -> None:
    pytest.importorskip("rdkit")
    with temporary_store(["peptide"]) as empty, pytest.raises(InputError, match="holds no graphs"):
        store_figures(empty, 0.0)


def test_a_temporary_store_holds_the_texts_and_goes() -> None:
    pytest.importorskip("rdkit")
    texts = synthetic_smiles(3)
    with temporary_store(texts) as store:
        assert list(store.smiles) == texts
    assert not store.path.exists()


def test_every_figure_is_measured(small_store, monkeypatch) -> None:
    pytest.importorskip("rdkit")
    monkeypatch.setattr(preprocessing, "synthetic_smiles", lambda: synthetic_smiles(20))
    own = measure_preprocessing(seconds=0.01)
    given = measure_preprocessing(str(small_store.path), seconds=0.01)
    assert own.keys() == given.keys() == FIGURES.keys()
    for found in (own, given):
        assert found["left_out"] is None
        assert min(found[key] for key in FIGURES if key[-2:] == "_s" or "graph" in key) > 0
    assert given["bytes_per_graph"] == small_store.nbytes / len(small_store)
    assert (own["of_store"], given["of_store"]) == (None, str(small_store.path))


def test_without_rdkit_only_a_store_has_figures(small_store, without_rdkit) -> None:
    answer = preprocessing_answer(measure_preprocessing(str(small_store.path), 0.0), [10], cores=2)
    assert [row["hours"] for row in answer.rows] == [None, None]
    assert all(row["store_gb"] > 0 for row in answer.rows)
    assert "needs RDKit" in answer.notes[0]


def test_without_rdkit_and_a_store_a_sentence_says_why_there_are_no_rows(without_rdkit) -> None:
    answer = preprocessing_answer(measure_preprocessing(seconds=0.0), [10])
    assert answer.rows == []
    assert len(answer.notes) == 1
    assert "needs RDKit" in answer.notes[0]
