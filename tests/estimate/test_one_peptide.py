"""Latencies of one peptide: what is called, and how often."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest
import torch

from pepland_model.embed.embedder import Embedder
from pepland_model.embed.encoder import Encoder
from pepland_model.estimate.here import one_peptide as measured
from pepland_model.estimate.here.conversion import synthetic_smiles
from pepland_model.estimate.here.one_peptide import median_ms, one_peptide, one_peptide_answer

WARM = 2


def test_the_median_is_that_of_each_call() -> None:
    clock = iter([0, 1, 10, 15, 20, 22]).__next__
    asked: list[str] = []
    assert median_ms(asked.append, "abc", clock) == 2000
    assert asked == ["a", "b", "c"]


@pytest.fixture
def small(monkeypatch):
    """Make the encoder small."""
    pytest.importorskip("rdkit")
    config = measured.PharmHGTConfig
    monkeypatch.setattr(measured, "PharmHGTConfig", lambda: config(hidden=32, depth=2, heads=4))


@pytest.fixture
def folder(small, tmp_path):
    measured._save_untrained(str(tmp_path))
    return str(tmp_path)


@pytest.fixture
def calls(monkeypatch):
    """The number of graphs of each call of an encoder in this process, in order."""
    found: list[int] = []
    nodes = Encoder.nodes

    def counted(self, columns, tables, pooling):
        found.append(len(columns))
        return nodes(self, columns, tables, pooling)

    monkeypatch.setattr(Encoder, "nodes", counted)
    return found


def test_each_row_has_its_figures_and_the_cold_ones_are_of_new_processes(
    small, calls, monkeypatch
) -> None:
    runs = []
    run = subprocess.run

    def recorded(command, **options):
        runs.append((command, run(command, **options)))
        return runs[-1][1]

    monkeypatch.setattr(measured.subprocess, "run", recorded)
    rows = one_peptide(cold_calls=1, warm_calls=WARM)
    assert [(row["from"], row["state"].partition(":")[0], row["calls"]) for row in rows] == [
        ("SMILES", "cold", 1), ("SMILES", "cold", 1), ("SMILES", "warm", WARM),
        ("stored graph", "warm", WARM), ("SMILES", "known", WARM),
    ]  # fmt: skip
    assert all(row["ms"] > 0 for row in rows)
    assert rows[0]["ms"] > rows[1]["ms"]  # the second is a part of the first
    ((command, done),) = runs
    assert (command[0], command[-1]) == (sys.executable, synthetic_smiles(1)[0])
    assert len(done.stdout.split()) == 2
    # One batch for the pieces, none for kept vectors, then one peptide at a time from each source.
    assert calls == [WARM, *[1] * (1 + WARM), *[1] * (1 + WARM)]


def test_a_kept_vector_is_not_computed_and_a_forgotten_one_is(folder, calls, monkeypatch) -> None:
    counts: list[int] = []
    vector = Embedder.vector

    def counted(self, text):
        before = len(calls)
        vector(self, text)
        counts.append(len(calls) - before)

    monkeypatch.setattr(Embedder, "vector", counted)
    measured._from_text(folder, *synthetic_smiles(3))
    assert counts == [0, 0, 1, 1, 1]


def test_warm_texts_are_read_without_rdkit(folder, monkeypatch) -> None:
    counts = []

    def recorded(work, items):
        counted = work.__self__._featurizer
        before = counted.cache_counts
        for item in items:
            work(item)
        counts.append({key: counted.cache_counts[key] - n for key, n in before.items()})
        return 1.0

    monkeypatch.setattr(measured, "median_ms", recorded)
    measured._from_text(folder, *synthetic_smiles(9))
    known, warm = counts
    assert (known["smiles"], warm["smiles"]) == (0, 8)
    assert warm["without_rdkit"] == 8


def test_a_new_process_is_measured_with_and_without_its_imports(monkeypatch) -> None:
    monkeypatch.setattr(measured, "NEW_PROCESS", "import os; print(110, 112.5, end=' ')")
    monkeypatch.setattr(measured.time, "time", itertools.count(100).__next__)
    assert measured._new_process("folder", "text") == (12_500, 2_500)


def test_a_new_process_finds_what_this_one_does(monkeypatch, tmp_path) -> None:
    (tmp_path / "only_here.py").write_text("began = 1", encoding="utf-8")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    monkeypatch.setenv("PYTHONPATH", os.devnull)
    monkeypatch.setattr(measured, "NEW_PROCESS", "import only_here as o; print(o.began, o.began)")
    assert len(measured._new_process("folder", "text")) == 2


def test_random_numbers_of_the_caller_stay_and_the_weights_are_the_same(small, tmp_path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for name in ("a", "b"):
        measured._save_untrained(str(tmp_path / name))
    assert torch.equal(torch.rand(3), expected)
    one, other = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("a", "b"))
    assert one == other


def test_an_answer_has_the_rows_and_what_they_mean() -> None:
    rows = [{"from": "SMILES", "state": "warm", "ms": 1.0, "calls": 2}]
    answer = one_peptide_answer(lambda: rows)
    assert answer.rows == rows
    assert any("untrained" in note for note in answer.notes)


def test_without_rdkit_a_sentence_says_why_there_are_no_rows(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "pepland_data.chem.featurizer", raising=False)
    monkeypatch.setitem(sys.modules, "rdkit", None)
    answer = one_peptide_answer()
    assert answer.rows == []
    assert "needs RDKit" in answer.notes[0]
