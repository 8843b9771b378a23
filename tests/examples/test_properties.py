"""Pre-training on properties: descriptors of a table, and an encoder that is trained on them."""

from __future__ import annotations

import csv
import re
import runpy
import sys
from pathlib import Path

import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors

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


def test_an_encoder_learns_properties_and_fine_tuning_can_start_from_it(
    described: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    build(described, tmp_path / "store")
    capsys.readouterr()
    words = ["--out", tmp_path / "encoder", "--hidden", 24, "--steps", 150, "--batch-size", 20]
    example("pretrain_on_properties", monkeypatch, tmp_path / "store", *words, "--device", "cpu")
    said = capsys.readouterr().out
    losses = [float(text) for text in re.findall(r"loss (\S+)$", said, re.M)]
    assert len(losses) == 3
    assert losses[-1] < 0.9 * losses[0]
    columns = open_store(tmp_path / "store").columns
    named = re.findall(r"properties: (.*)", said)[0].split(", ")
    assert {"affinity", "TPSA"} <= set(named) <= set(columns)
    assert float(re.findall(r"MolWt (-?[\d.]+),", said)[-1]) > 0.5
    assert load_encoder(str(tmp_path / "encoder")).config.hidden == 24


def test_a_store_without_numbers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_text("smiles,name\nCC,a\nCCO,b\n", encoding="utf-8")
    build(tmp_path / "in.csv", tmp_path / "store")
    with pytest.raises(SystemExit, match="no columns of numbers"):
        example("pretrain_on_properties", monkeypatch, tmp_path / "store", "--out", tmp_path / "e")
