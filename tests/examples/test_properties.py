"""Descriptors of a table, and an encoder that is trained on them."""

from __future__ import annotations

import csv
import json
import runpy
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rdkit import Chem
from rdkit.Chem import Descriptors

from pepland_cli.train import main as train
from pepland_data import build, open_store
from pepland_model.run.load_encoder import load_encoder
from tests.helpers.paths import ROOT
from tests.helpers.stores import sixty_smiles


def example(name: str, monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty molecules, a sequence, a text that is none, and a property that few have."""
    texts = [*sixty_smiles(), "ACDK", "no peptide"]
    rows = [f'"{text}",{i if i % 5 == 0 else ""}' for i, text in enumerate(texts)]
    (tmp_path / "in.csv").write_text("smiles,affinity\n" + "\n".join(rows) + "\n", "utf-8")
    example("add_descriptors", monkeypatch, tmp_path / "in.csv", tmp_path / "out.csv")
    return tmp_path / "out.csv"


def test_descriptors_are_those_of_rdkit_and_empty_for_a_reject(described: Path) -> None:
    with described.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 62
    assert len(rows[0]) == 61
    assert (rows[0]["affinity"], rows[1]["affinity"]) == ("0", "")
    mol = Chem.MolFromSmiles(rows[7]["smiles"])
    assert float(rows[7]["TPSA"]) == pytest.approx(Descriptors.TPSA(mol))
    of_sequence = Chem.MolFromSequence("ACDK")
    assert float(rows[60]["MolLogP"]) == pytest.approx(Descriptors.MolLogP(of_sequence))
    assert rows[61]["MolWt"] == ""


def test_an_encoder_learns_the_descriptors_of_the_table(described: Path, tmp_path: Path) -> None:
    build(described, tmp_path / "store")
    words = [
        *("--task", "regression", "--target", "*", "--shards", tmp_path / "store"),
        *("--hidden", 24, "--epochs", 40, "--out", tmp_path / "run", "--device", "cpu"),
    ]
    result = CliRunner().invoke(train, [*map(str, words)])
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    found = summary["by_target"]["train"]
    assert {"affinity", "TPSA"} <= set(found) <= set(open_store(tmp_path / "store").columns)
    assert found["MolWt"]["r2"]["mean"] > 0.5
    assert load_encoder(str(tmp_path / "run")).config.hidden == 24
