"""Lists of texts as the field writes them: headers, names, comments, CXSMILES, HELM with blanks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pepland_data import BuildOptions, FeaturizeOptions, build, open_store
from pepland_data.chem.featurizer import featurize
from pepland_data.errors import InputError
from pepland_data.inputs.read_input import read_chunks
from pepland_data.store.featurize_again import semantic_faults

HELM = "PEPTIDE1{[*C(=O)C1CCC1 |$_R2;;;;;;;$|].A}$$$$V2.0"


def rows_of(path: Path, text: str) -> tuple[list[str], dict[str, Any]]:
    path.write_text(text, encoding="utf-8")
    (chunk,) = read_chunks(path, 99, None, "auto")
    return chunk.texts, chunk.extra


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("CCO a\nCCN b c\n", {"name": ["a", "b c"]}),
        ("SMILES Name\nCCO a\nCCN b c\n", {"name": ["a", "b c"]}),
        ("# made by hand\n#\nCCO\ta\nCCN\tb c\n", {"name": ["a", "b c"]}),
        ("# made by hand\nsmiles\tid\nCCO\ta\nCCN\tb c\n", {"id": ["a", "b c"]}),
        ("smiles\tid\ty\nCCO\ta\t1\nCCN\tb c\t2\n", {"id": ["a", "b c"], "y": ["1", "2"]}),
        ("ID\tSMILES\na\tCCO\nb c\tCCN\n", {"ID": ["a", "b c"]}),
        ("id,smiles,y\na,CCO,1\nb c,CCN,2\n", {"id": ["a", "b c"], "y": ["1", "2"]}),
        ("CCO |$A;;$| a\nCCN b c\n", {"name": ["a", "b c"]}),
    ],
)
def test_names_and_columns_of_a_list(tmp_path: Path, text: str, extra: dict[str, Any]) -> None:
    for name in ("in.smi", "in.txt", "in"):
        texts, found = rows_of(tmp_path / name, text)
        assert [one.split(" |")[0] for one in texts] == ["CCO", "CCN"]
        assert found == extra


@pytest.mark.parametrize(
    ("line", "text", "name"),
    [
        ("CC=CC |t:1| but-2-ene", "CC=CC |t:1|", "but-2-ene"),
        ("CC=CC\t|t:1|", "CC=CC |t:1|", None),
        ("CCO |a| b", "CCO", "|a| b"),
        ("CCO |", "CCO", "|"),
        (HELM, HELM, None),
        (f"{HELM} the name", HELM, "the name"),
        ("PEPTIDE1{A.C}$$$$ a b", "PEPTIDE1{A.C}$$$$", "a b"),
        ("C[C@H](N name of it", "C[C@H](N", "name of it"),
        ("CC[C@H](N)C(=O)O L-Abu, [x]", "CC[C@H](N)C(=O)O", "L-Abu, [x]"),
    ],
)
def test_a_text_ends_at_a_blank_outside_of_brackets_and_after_cxsmiles(
    tmp_path: Path, line: str, text: str, name: str | None
) -> None:
    assert rows_of(tmp_path / "in.smi", f"{line}\n") == ([text], {"name": [name]})


def test_cxsmiles_that_change_the_molecule_are_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "in.smi").write_text("CC=CC |t:1| trans\nCC=CC any\nCCO |$x;;$| ethanol\n")
    build(
        tmp_path / "in.smi", tmp_path / "store", BuildOptions(FeaturizeOptions("adafrag", "auto"))
    )
    store = open_store(tmp_path / "store")
    for row, smiles in enumerate(("C/C=C/C", "CC=CC", "CCO")):
        assert (store[row].dense()["bond_x"] == featurize(smiles).dense()["bond_x"]).all()
    assert store[0] != store[1]
    assert semantic_faults(store, 3) == (3, [])


def test_helm_with_a_blank_becomes_a_graph(tmp_path: Path) -> None:
    for suffix in ("txt", "smi"):
        (tmp_path / f"in.{suffix}").write_text(f"{HELM}\n")
        report = build(
            tmp_path / f"in.{suffix}", tmp_path / suffix,
            BuildOptions(FeaturizeOptions("adafrag", "auto")),
        )  # fmt: skip
        assert report.graphs == 1


PROSE = "The peptide was made.\nIn this work we show that.\n\nI agree with all of it.\n"
NO_LISTS = {
    "prose": PROSE * 4,
    "prose of atoms": "C is carbon.\nN is nitrogen.\nThis is a text.\nI am done.\nSo it is.\n",
    "source code": "import os\n\ndef f(x):\n    return x\n\nclass A:\n    pass\nf(1)\n",
    "a log": "2024-01-01 12:00:00 INFO started\n" * 9,
    "configuration": "name: x\nversion: 1\nlist:\n  - a\nother: c\nmore: d\n",
    "numbers before the texts": "1\tCCO\n2\tCCN\n3\tCCC\n4\tCCF\n5\tCCS\n",
    "comments": "# " + PROSE * 4,
    "names": "oxytocin\nvasopressin\nglucagon\ninsulin\nbradykinin\n",
    "a header of prose": "Peptide in water\n  3\n  1ALA  N  1  0.1\n" + "  1ALA  CA  2  0.1\n" * 4,
}


@pytest.mark.parametrize("what", NO_LISTS)
@pytest.mark.parametrize("name", ["in.txt", "in.smi", "in"])
def test_a_file_of_other_lines_is_refused_with_one_of_them(
    tmp_path: Path, what: str, name: str
) -> None:
    with pytest.raises(InputError, match=r"is no list of peptides: \d+ of its first \d+ lines, as"):
        rows_of(tmp_path / name, NO_LISTS[what])
    assert len(rows_of(tmp_path / name, f"smiles\n{NO_LISTS[what]}")[0]) > 4


def test_prose_in_the_only_column_of_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no list of peptides"):
        rows_of(tmp_path / "in.csv", PROSE * 4)


@pytest.mark.parametrize(
    "lines",
    [
        ["CC(", "C1CC", "c1cccc1", "[Xe", "C(C)(C)(C)(C)C", "CCO"],
        ["Ac-DEVD-CHO", "cyclo(RGDfK)", "H-Ala-OH", "A[dA]C", "P12345"],
        ["ACDEFGHIK human defensin 5 of the gut", "GG", "AAA", "RGD", "KKK"],
        ["nonsense", "more of it", "and more", "ends"],  # too few lines to judge
        ["nonsense", "words here", "and more", "C[C@H](N)C(=O)O alanine", "NCC(=O)O"],
    ],
)
def test_lines_that_may_be_peptides_are_tried(tmp_path: Path, lines: list[str]) -> None:
    assert len(rows_of(tmp_path / "in.txt", "\n".join(lines) + "\n")[0]) == len(lines)


def test_the_case_of_notations(shared_dir: Path, tmp_path: Path) -> None:
    lines = (shared_dir / "cases" / "notations.txt").read_text(encoding="utf-8").splitlines()
    for small, refused in (("refuse", ["cyclo(RGDfK)"]), ("d-amino", [])):
        options = BuildOptions(FeaturizeOptions("adafrag", "auto", lowercase=small))
        build(shared_dir / "cases" / "notations.txt", tmp_path / small, options)
        store = open_store(tmp_path / small)
        assert list(store.smiles) == [line for line in lines if line not in refused]
        assert [reject["text"] for reject in store.rejects] == refused
        assert semantic_faults(store, 8) == (8 - len(refused), [])
    assert HELM in lines
