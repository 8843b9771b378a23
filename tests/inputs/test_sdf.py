"""SDF and mol files: a row for each record, its molecule as SMILES, its properties as columns."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from pepland_data import BuildOptions, FeaturizeOptions, build, open_store
from pepland_data.chem.featurizer import Featurizer
from pepland_data.errors import InputError
from pepland_data.inputs.part import Part
from pepland_data.inputs.read_input import count_rows, read_chunks
from pepland_data.store.featurize_again import semantic_faults
from tests.helpers.stores import files_but_manifest

AUTO = FeaturizeOptions(input_format="auto")
SMILES = ["C/C=C/NC(=O)[C@H](C)N", r"C/C=C\NC(=O)[C@@H](C)N", "CC(=O)NCC(=O)O", "NCC(=O)O"]
QUERY = (
    "\n  x\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n    0.0000    0.0000    0.0000 A   0  0\n"
)
RING = "".join(f"{i + 1:3d}{(i + 1) % 6 + 1:3d}  4  0\n" for i in range(6))


def block(smiles: str, name: str, v3000: bool = False, space: bool = False) -> str:
    """Return the mol block of a molecule, drawn on paper or in space."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles)) if space else Chem.MolFromSmiles(smiles)
    if space:
        AllChem.EmbedMolecule(mol, randomSeed=1)
    else:
        AllChem.Compute2DCoords(mol)
    mol.SetProp("_Name", name)
    return Chem.MolToMolBlock(mol, forceV3000=v3000)


def record(mol_block: str, **properties: object) -> str:
    """Return a record of an SDF file."""
    lines = "".join(f">  <{name}>  (1)\n{value}\n\n" for name, value in properties.items())
    return f"{mol_block}{lines}$$$$\n"


def four(v3000: bool = False, space: bool = False) -> str:
    """Return four records; no property is in all of them."""
    values: list[dict[str, Any]] = [{"IC50": 7}, {"IC50": 8, "smiles": "x"}, {}, {"note": "a\nb"}]
    named = zip(SMILES, values, strict=True)
    return "".join(
        record(block(smiles, f"pep {i}", v3000, space), **one)
        for i, (smiles, one) in enumerate(named)
    )


def built(path: Path, **options: Any) -> Any:
    build(path, path.parent / "store", BuildOptions(AUTO, **options))
    return open_store(path.parent / "store")


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("in.sdf", bytes),
        ("in.sd", lambda data: data.replace(b"\n", b"\r\n")),
        ("in.csv", bytes),
        ("in", bytes),
        ("in.sdf.gz", gzip.compress),
        ("in.smi", bz2.compress),
        ("cut.sdf", lambda data: data.removesuffix(b"$$$$\n")),
    ],
)
@pytest.mark.parametrize("v3000", [False, True])
def test_a_record_is_a_row_and_its_properties_are_columns(
    tmp_path: Path, name: str, pack: Any, v3000: bool
) -> None:
    (tmp_path / name).write_bytes(pack(four(v3000).encode()))
    store = built(tmp_path / name, rows_per_shard=3)
    assert list(store.smiles) == [Chem.CanonSmiles(smiles) for smiles in SMILES]
    assert store.columns["IC50"].tolist()[:2] == [7, 8]
    (chunk,) = read_chunks(tmp_path / name, 9, None, "auto")
    assert chunk.extra == {
        "name": ["pep 0", "pep 1", "pep 2", "pep 3"], "IC50": ["7", "8", None, None],
        "smiles_2": [None, "x", None, None], "note": [None, None, None, "a\nb"],
    }  # fmt: skip
    assert semantic_faults(store, 4) == (4, [])
    assert "notes.parquet" not in {entry.file for entry in store.manifest.entries()}


def test_stereo_comes_from_wedges_and_from_coordinates_in_space(tmp_path: Path) -> None:
    (tmp_path / "in.sdf").write_text(four(space=True))
    assert list(built(tmp_path / "in.sdf").smiles) == [
        Chem.CanonSmiles(smiles) for smiles in SMILES
    ]


def test_a_mol_file_is_one_record(tmp_path: Path) -> None:
    (tmp_path / "one.mol").write_text(block(SMILES[0], "the name"))
    store = built(tmp_path / "one.mol")
    assert list(store.smiles) == [Chem.CanonSmiles(SMILES[0])]
    assert store.columns["name"].tolist() == ["the name"]


BAD = {
    "valence": block("CC(C)(C)C", "v").replace("  1  2  1  0", "  1  2  3  0"),
    "query atoms": QUERY + "M  END\n",
    "atoms or bonds, which": block("CCO", "hydrogen bond").replace("  1  2  1  0", "  1  2 10  0"),
    "SDF record: atom bookmark not found": block("CCO", "no atom 9", v3000=True).replace(
        "M  V30 1 1 1 2", "M  V30 1 1 1 9"
    ),
    "has no line 'M  END'": block("CCO", "cut")[:80],
    "is empty": "",
    "no atoms": "\n\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n",
    "SDF record: ": "a\nb\nc\nno counts line\nM  END\n",
}


@pytest.mark.parametrize("why", BAD)
def test_a_bad_record_is_a_reject_and_the_others_are_read(tmp_path: Path, why: str) -> None:
    good = record(block("NCC(=O)O", "good"), y=1)
    bad = record(BAD[why], **({"y": 2} if BAD[why] else {}))
    (tmp_path / "in.sdf").write_text(good + bad + good)
    store = built(tmp_path / "in.sdf")
    assert store.row_id.tolist() == [0, 2]
    (reject,) = store.rejects
    assert (reject["row_id"], reject["stage"]) == (1, "read")
    assert why in reject["reason"]
    assert "SDF record" in reject["reason"]
    assert "/" not in reject["reason"], "no path of this machine"


def test_names_and_properties_may_have_any_letters(tmp_path: Path) -> None:
    (tmp_path / "in.sdf").write_bytes(record(block("NCC(=O)O", "größe"), é="µ").encode() * 2)
    (chunk,) = read_chunks(tmp_path / "in.sdf", 9, None, "auto")
    assert chunk.extra == {"name": ["größe"] * 2, "é": ["µ"] * 2}
    assert len(built(tmp_path / "in.sdf")) == 2
    bad = block("CCO", "größe").replace(" C  ", " é  ", 1).encode()
    (tmp_path / "bad.sdf").write_bytes(bad)
    (chunk,) = read_chunks(tmp_path / "bad.sdf", 9, None, "auto")
    assert [r.stage for r in Featurizer(AUTO).convert(chunk.texts).rejects] == ["read"]


def test_a_first_record_that_is_broken_does_not_hide_the_kind_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("lines\n$$$$\n" + four())
    assert built(tmp_path / "in.txt").row_id.tolist() == [1, 2, 3, 4]


def test_aromatic_bonds_charges_and_isotopes_are_read() -> None:
    atoms = "    0.0000    0.0000    0.0000 C   0  0\n" * 6
    ring = f"\n\n\n  6  6  0  0  0  0  0  0  0  0999 V2000\n{atoms}{RING}M  END\n"
    made = Featurizer(AUTO).convert([ring, block("[13CH3]C(=O)[O-]", "x"), "CCO"])
    assert made.renamed == {0: "c1ccccc1", 1: "[13CH3]C(=O)[O-]"}
    assert made.kept.tolist() == [0, 1, 2]


def test_standardize_works_on_the_molecule_of_a_record(tmp_path: Path) -> None:
    (tmp_path / "in.sdf").write_text(record(block("CC(=O)[O-].[Na+]", "salt")))
    options = BuildOptions(FeaturizeOptions(input_format="auto", standardize=True))
    build(tmp_path / "in.sdf", tmp_path / "store", options)
    assert list(open_store(tmp_path / "store").smiles) == ["CC(=O)O"]
    (note,) = pq.read_table(tmp_path / "store" / "notes.parquet").to_pylist()
    assert note["text"] == "CC(=O)[O-].[Na+]"


def test_parts_and_workers_give_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "in.sdf").write_text(four() * 3)
    path = tmp_path / "in.sdf"
    assert count_rows(path, None, "auto") == 12
    for workers in (1, 2):
        options = BuildOptions(AUTO, rows_per_shard=5, workers=workers)
        build(path, tmp_path / f"w{workers}", options)
    assert files_but_manifest(tmp_path / "w1") == files_but_manifest(tmp_path / "w2")
    part = Part(2, 2).rows(12, 5)
    build(path, tmp_path / "p", BuildOptions(AUTO, rows_per_shard=5, part=Part(2, 2)))
    whole, half = open_store(tmp_path / "w1"), open_store(tmp_path / "p")
    assert list(half.smiles) == list(whole.smiles)[part.start :]
    assert half.columns["name"].tolist() == whole.columns["name"].tolist()[part.start :]


def test_options_about_other_texts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in.sdf").write_text(four())
    with pytest.raises(InputError, match="leave out --smiles-column"):
        read_chunks(tmp_path / "in.sdf", 9, "IC50", "auto")
    with pytest.raises(InputError, match="leave out --input-format"):
        read_chunks(tmp_path / "in.sdf", 9, None, "helm")
    (tmp_path / "in.mol").write_text("smiles,y\nCCO,1\n")
    with pytest.raises(InputError, match="name of an SDF file but no mol block"):
        read_chunks(tmp_path / "in.mol", 9, None, "auto")


def test_a_table_may_hold_mol_blocks(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f'block,smiles\n"{block("CCO", "x")}",CCN\n')
    (chunk,) = read_chunks(tmp_path / "in.csv", 9, None, "auto")
    assert chunk.texts == ["CCN"]


def test_a_huge_record_costs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepland_data.inputs.sdf.MAX_RECORD", 2000)
    huge = record(block("NCC(=O)O", "huge"), junk="x" * 5000)
    (tmp_path / "in.sdf").write_text(huge + record(block("NCC(=O)O", "good")))
    (chunk,) = read_chunks(tmp_path / "in.sdf", 9, None, "auto")
    assert chunk.problems == {0: "the SDF record has more than 2,000 bytes"}
    assert len(chunk.texts[0]) == 1000


def test_the_two_molecules_of_the_case(shared_dir: Path, tmp_path: Path) -> None:
    build(shared_dir / "cases" / "two.sdf", tmp_path / "store", BuildOptions(AUTO))
    store = open_store(tmp_path / "store")
    assert list(store.smiles) == ["CC(=O)NCC(=O)O", "NCC(=O)NCC(=O)O"]
    assert store.columns["name"].tolist() == ["m0", "m1"]
    assert store.columns["IC50"].tolist() == [0, 1]
