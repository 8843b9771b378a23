"""``build --add descriptors``: numbers of RDKit as columns, and an encoder that learns them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from rdkit import Chem
from rdkit.Chem import Descriptors

from pepland_cli.train import main as train
from pepland_data import BuildOptions, FeaturizeOptions, build, open_store
from pepland_data.chem.added_columns import DESCRIPTORS
from pepland_data.chem.featurizer import Featurizer
from pepland_data.errors import InputError
from pepland_data.store.verify import verify
from pepland_model.run.load_encoder import load_encoder
from tests.helpers.stores import files_of, sixty_smiles

TEXTS = [*sixty_smiles(), "ACDK", "no peptide", "PEPTIDE1{A.[Cha].[am]}$$$$"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Sixty molecules, a sequence, a text that is none, HELM, and a property that few have."""
    rows = [f'"{text}",{i if i % 5 == 0 else ""}' for i, text in enumerate(TEXTS)]
    path = tmp_path / "in.csv"
    path.write_text("text,affinity\n" + "\n".join(rows) + "\n", "utf-8")
    return path


def options(add: tuple[str, ...] = ("descriptors",), **others: Any) -> BuildOptions:
    featurize = FeaturizeOptions(input_format="auto", add=add)
    return BuildOptions(featurize, "text", **{"rows_per_shard": 20, **others})


def column(path: Path, name: str) -> list[float | None]:
    store = open_store(path)
    return [v for s in range(store.num_shards) for v in store.shard(s).extra[name].to_pylist()]


def test_values_are_those_of_rdkit(tmp_path: Path, source: Path) -> None:
    build(source, tmp_path / "store", options())
    store = open_store(tmp_path / "store")
    assert store.manifest.columns == ("affinity", *DESCRIPTORS)
    assert store.manifest.options["add"] == ["descriptors"]
    assert {store.column_types()[name] for name in DESCRIPTORS} == {pa.float64()}
    assert verify(tmp_path / "store", semantic=True).sound
    mols = [*map(Chem.MolFromSmiles, sixty_smiles()), Chem.MolFromSequence("ACDK")]
    for name in DESCRIPTORS:
        found = column(tmp_path / "store", name)
        assert len(found) == len(mols) + 1
        expected = [getattr(Descriptors, name)(mol) for mol in mols]
        assert found[:-1] == pytest.approx(expected, rel=1e-9)
    assert column(tmp_path / "store", "HeavyAtomCount")[-1] > 10


def test_workers_and_both_columns_change_nothing(tmp_path: Path, source: Path) -> None:
    build(source, tmp_path / "one", options())
    build(source, tmp_path / "two", options(workers=2))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    build(source, tmp_path / "both", options(("helm", "descriptors"), format="zarr"))
    assert column(tmp_path / "both", "TPSA") == column(tmp_path / "one", "TPSA")
    assert column(tmp_path / "both", "helm")[-2:] == ["PEPTIDE1{A.C.D.K}$$$$", TEXTS[-1]]


def test_a_number_that_is_none_is_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Descriptors, "MolWt", lambda mol: float("nan"))
    done = Featurizer(FeaturizeOptions(add=("descriptors",))).convert(["NCC(=O)O", "C(", "CCO"])
    assert done.added["MolWt"] == {}
    assert done.added["NumHDonors"] == {0: 2.0, 2: 1.0}


def test_a_column_of_the_input_with_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,TPSA\nCCO,1\n", "utf-8")
    with pytest.raises(InputError, match=r"'TPSA'.*leave out --add descriptors"):
        build(tmp_path / "in.csv", tmp_path / "store", options())


def test_an_encoder_learns_the_descriptors(tmp_path: Path, source: Path) -> None:
    build(source, tmp_path / "store", options())
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
    assert np.isfinite(found["MolWt"]["mae"]["mean"])
    assert load_encoder(str(tmp_path / "run")).config.hidden == 24
