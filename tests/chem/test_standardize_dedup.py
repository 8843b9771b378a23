"""Salts, charges and duplicates are removed; HELM with other monomers is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helmkit import Molecule
from rdkit import Chem

from pepland_data import BuildOptions, FeaturizeOptions, build, featurize, open_store
from pepland_data.builder.append import append
from pepland_data.chem.featurizer import Featurizer
from pepland_data.chem.notation.helm_smiles import helm_smiles
from pepland_data.chem.notation.standardize import standardized
from pepland_data.errors import BuildError
from pepland_data.store.featurize_again import semantic_faults
from pepland_data.store.verify import verify


@pytest.mark.parametrize(
    ("text", "want", "what"),
    [
        ("CC(N)C(=O)O", "CC(N)C(=O)O", ""),
        ("C(C)(N)C(=O)O", "C(C)(N)C(=O)O", ""),
        ("CC(N)C(=O)O.Cl", "CC(N)C(=O)O", "removed Cl"),
        ("CC(N)C(=O)[O-].[Na+]", "CC(N)C(=O)O", "removed [Na+]; neutralised 1 of 1 charges"),
        ("CC([NH3+])C(=O)[O-]", "CC(N)C(=O)O", "neutralised 2 of 2 charges"),
        ("C[N+](C)(C)CC(N)=O", "C[N+](C)(C)CC(N)=O", ""),
        ("C1CC.[", "C1CC.[", ""),
    ],
)
def test_the_neutral_largest_component_is_kept(text: str, want: str, what: str) -> None:
    assert standardized(text) == (want, what)


def store_of(folder: Path, texts: list[str], options: FeaturizeOptions) -> Path:
    folder.mkdir()
    (folder / "in.csv").write_text("".join(f"{text}\n" for text in ["smiles", *texts]))
    report = build(folder / "in.csv", folder / "out", BuildOptions(options, rows_per_shard=3))
    assert report.graphs + report.rejects == len(texts)
    return folder / "out"


def test_a_build_notes_what_it_changed(tmp_path: Path) -> None:
    texts = ["NCC(=O)O", "NCC(=O)O.Cl", "[NH3+]CC(=O)[O-]", "CC", "NCC(=O)O.OC(=O)C(F)(F)F"]
    path = store_of(tmp_path / "a", texts, FeaturizeOptions(standardize=True))
    store = open_store(path)
    assert [store.smiles[i] for i in (1, 2)] == ["NCC(=O)O"] * 2
    assert store[1] == featurize("NCC(=O)O")
    notes = pq.read_table(path / "notes.parquet").to_pylist()
    assert [(n["row_id"], n["kind"], n["text"]) for n in notes] == [
        (1, "changed", texts[1]), (2, "changed", texts[2]), (4, "changed", texts[4]),
    ]  # fmt: skip
    assert verify(path).sound
    assert semantic_faults(store, 10) == (5, [])


def test_of_rows_with_the_same_molecule_the_first_is_kept(tmp_path: Path) -> None:
    texts = ["NCC(=O)O", "CCO", "OCC", "C(O)C", "OC(=O)CN", "CCN", "C[C@H](N)C", "CCO", "GG"]
    path = store_of(tmp_path / "a", texts, FeaturizeOptions(dedup=True, input_format="auto"))
    store = open_store(path)
    assert store.row_id.tolist() == [0, 1, 5, 6, 8]
    duplicates = {r["row_id"]: (r["stage"], r["reason"]) for r in store.rejects}
    assert duplicates == {
        row: ("duplicate", f"the molecule of row {first}")
        for row, first in ((2, 1), (3, 1), (4, 0), (7, 1))
    }
    assert verify(path).sound
    with pytest.raises(BuildError, match="dedup"):
        append(tmp_path / "a/in.csv", path)
    kept = [texts[row] for row in store.row_id]
    same = open_store(store_of(tmp_path / "b", kept, FeaturizeOptions(input_format="auto")))
    assert store.tables.same_as(same.tables)
    assert list(store) == list(same)


@pytest.mark.parametrize(
    ("text", "smiles"),
    [
        ("PEPTIDE1{A.[meA].[dF].[Aib].C}$$$$", None),
        ("PEPTIDE1{[ac].A.[meA].[am]}$$$$", "CC(=O)N[C@@H](C)C(=O)N(C)[C@@H](C)C(N)=O"),
        ("PEPTIDE1{C.[meA].C}$PEPTIDE1,PEPTIDE1,1:R3-3:R3$$$", None),
    ],
)
def test_helm_with_other_monomers_is_read(text: str, smiles: str | None) -> None:
    assert Chem.MolFromHELM(text) is None or smiles
    graph = Featurizer(FeaturizeOptions(input_format="helm")).featurize(text)
    want = Chem.MolToSmiles(Molecule(text).mol)
    assert smiles is None or Chem.CanonSmiles(smiles) == want
    written = helm_smiles(text)
    assert Chem.CanonSmiles(written) == want
    other = featurize(written).dense()
    for name, values in graph.dense().items():
        np.testing.assert_array_equal(values, other[name])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("PEPTIDE1{A.[NoSuch]}$$$$", "NoSuch"),
        ("garbage{", "unreadable HELM"),
        ("PEPTIDE1{A.(A,[meA])}$$$$", "ambiguous"),
    ],
)
def test_the_reject_of_unreadable_helm_says_why(text: str, why: str) -> None:
    (reject,) = Featurizer(FeaturizeOptions(input_format="helm")).convert([text]).rejects
    assert reject.stage == "parse"
    assert why in reject.reason


@pytest.mark.parametrize(
    "text", ["NCC(=O)" * 40 + "O", "ClCBr" * 60, "[CH2]" * 30 + "c1ccccc1" * 9]
)
def test_a_molecule_that_is_too_large_is_rejected_with_at_most_its_size(text: str) -> None:
    atoms = Chem.MolFromSmiles(text).GetNumAtoms() if "Br" not in text else 180
    (reject,) = Featurizer(FeaturizeOptions(max_atoms=50)).convert([text]).rejects
    assert reject.stage == "limits"
    assert 50 < int(reject.reason.split()[0]) <= atoms
