"""Usual input files: no row is lost, no column is mistaken for another."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pepland_data import BuildOptions, FeaturizeOptions, build, featurize, open_store
from pepland_data.chem.featurizer import Featurizer
from pepland_data.chem.notation.detect import helm_of
from pepland_data.errors import InputError
from pepland_data.inputs.read_input import read_chunks
from pepland_data.store.featurize_again import semantic_faults


def rows_of(path: Path, column: str | None = None, kind: str = "auto") -> tuple[list[str], Any]:
    chunks = list(read_chunks(path, 100, column, kind))
    assert not any(chunk.problems for chunk in chunks)
    extra = {name: [v for c in chunks for v in c.extra[name]] for name in chunks[0].extra}
    return [text for chunk in chunks for text in chunk.texts], extra


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@pytest.mark.parametrize(
    ("name", "data", "texts"),
    [
        ("a.csv", b"smiles,y\r\nCCO,1\r\nCCN,2\r\n", ["CCO", "CCN"]),
        ("a.csv", b'"smiles",y\nCCO,1\n"CCN",2\n', ["CCO", "CCN"]),
        ("a.csv", b"smiles;y\nCCO;1,5\nCCN;2,5\n", ["CCO", "CCN"]),
        ("a.tsv", b"smiles\ty\nCCO\t1\nCCN\t2\n", ["CCO", "CCN"]),
        ("a.smi", b"smiles name\nCCO a\nCCN b c\n", ["CCO", "CCN"]),
        ("a.smi", b"CCO a\nCCN b c\n", ["CCO", "CCN"]),
        ("a.fasta", b">a\nCC\nS\n>b\nCC n*\n", ["CCS", "CCN"]),
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_byte_order_mark_is_not_part_of_the_first_row(
    tmp_path: Path, name: str, data: bytes, texts: list[str], mark: bytes, zipped: bool
) -> None:
    data = mark + data
    path = written(tmp_path, name, gzip.compress(data) if zipped else data)
    assert rows_of(path)[0] == texts


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"CCO\nCCN\n", "first line .* holds the peptide 'CCO'"),
        (b"NCC(=O)O,1\nCCN,2\n", r"first line .* holds the peptide 'NCC\(=O\)O'"),
        (b"ACDEFGH\nGGG\n", "first line .* holds the peptide 'ACDEFGH'"),
        ("smiles\nCCO\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_without_header_or_in_utf16_is_refused(
    tmp_path: Path, data: bytes, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        rows_of(written(tmp_path, "a.csv", data))


@pytest.mark.parametrize("header", ["peptides", "PEPTIDES", "canonical_smiles", "mol"])
def test_the_only_column_may_have_any_name(tmp_path: Path, header: str) -> None:
    path = written(tmp_path, "a.csv", f"{header}\nCCO\n".encode())
    assert rows_of(path)[0] == ["CCO"]
    assert rows_of(written(tmp_path, "b.csv", b"CN\nCCO\n"), "CN")[0] == ["CCO"]


def test_columns_with_reserved_or_empty_names_are_renamed(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "a.csv", b"sequence,smiles,row_id,,atoms\nACD,CCO,7,x,3\n")
    texts, extra = rows_of(path)
    assert texts == ["CCO"]
    texts, extra = rows_of(path, "sequence")
    assert texts == ["ACD"]
    assert extra == {
        "smiles_2": ["CCO"], "row_id_2": ["7"], "column_4": ["x"], "atoms_2": ["3"]
    }  # fmt: skip


def test_parquet_text_may_be_bytes_and_names_are_kept_apart_as_in_csv(tmp_path: Path) -> None:
    table = pa.table({"sequence": pa.array([b"ACD", b"GG"]), "smiles": ["CCO", "CCN"]})
    pq.write_table(table, tmp_path / "a.parquet")
    (chunk,) = read_chunks(tmp_path / "a.parquet", 9, "sequence", "auto")
    assert chunk.texts == ["ACD", "GG"]
    assert {name: v.to_pylist() for name, v in chunk.extra.items()} == {"smiles_2": ["CCO", "CCN"]}
    pq.write_table(pa.table({"smiles": pa.array([b"\xff", None, b"C\x01"])}), tmp_path / "b.pq")
    (chunk,) = read_chunks(tmp_path / "b.pq", 9, None, "auto")
    assert chunk.problems == {0: "not UTF-8", 1: "no text", 2: "control characters in the text"}


def test_reserved_column_names_do_not_change_the_text_of_a_store(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "a.csv", b"smiles,sequence,row_id\nCCO,ACD,9\nCCN,EF,8\n")
    build(path, tmp_path / "s", BuildOptions(FeaturizeOptions(input_format="auto"), "sequence"))
    store = open_store(tmp_path / "s")
    assert list(store.smiles) == ["ACD", "EF"]
    assert store.columns["smiles_2"].tolist() == ["CCO", "CCN"]
    assert store.columns["row_id_2"].tolist() == [9, 8]
    assert store.row_id.tolist() == [0, 1]
    assert semantic_faults(store, 9) == (2, [])


LETTERS = ["CNC", "CCC", "ACD", "PVC", "FFF", "NCC(=O)O"]


@pytest.mark.parametrize(
    ("name", "start", "sequences"),
    [
        ("a.csv", "smiles", False),
        ("a.csv", "mol", False),
        ("a.csv", "sequence", True),
        ("a.csv", "Peptide Sequence", True),
        ("a.csv", "peptide", True),
        ("a.smi", "", False),
        ("a.txt", "seq", True),
    ],
)
def test_the_name_of_a_column_says_whether_letters_are_residues(
    tmp_path: Path, name: str, start: str, sequences: bool
) -> None:
    lines = [start, *LETTERS] if start else LETTERS
    path = written(tmp_path, name, "\n".join(lines).encode())
    (chunk,) = read_chunks(path, 99, None, "auto")
    ambiguous = {0: "CNC", 1: "CCC", 4: "FFF"}
    wanted = {i: helm_of(text) for i, text in ambiguous.items()} if sequences else {}
    assert chunk.texts_as_helm("auto") == wanted
    assert chunk.texts_as_helm("smiles") == {}


def test_fasta_is_sequences_also_where_a_smiles_could_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a.fasta", b">one\nCN\nC\n>two\nACXD\n>three\nGGG*\n")
    build(path, tmp_path / "s", BuildOptions(FeaturizeOptions(input_format="auto")))
    store = open_store(tmp_path / "s")
    assert list(store.smiles) == ["PEPTIDE1{C.N.C}$$$$", "GGG"]
    sequence = Featurizer(FeaturizeOptions(input_format="sequence")).featurize("CNC").dense()
    for key, values in store[0].dense().items():
        np.testing.assert_array_equal(values, sequence[key])
    notes = pq.read_table(tmp_path / "s" / "notes.parquet").to_pylist()
    assert [(n["row_id"], n["text"], n["note"].split()[0]) for n in notes] == [
        (0, "CNC", "sequence")
    ]
    (reject,) = store.rejects
    assert (reject["row_id"], reject["text"]) == (1, "ACXD")
    assert reject["reason"].startswith("'X' stands for any residue: position 3")
    assert semantic_faults(store, 9) == (2, [])


def test_in_a_column_of_sequences_no_message_speaks_of_smiles(tmp_path: Path) -> None:
    rows = ["ACX", "Ac-DEVD-CHO", "CC(", "NCC(=O)O", "P12345", "AC--D", "oxytocin", ""]
    path = written(tmp_path, "a.csv", "\n".join(["Sequence,y", *(f"{r},1" for r in rows)]).encode())
    build(path, tmp_path / "s", BuildOptions(FeaturizeOptions(input_format="auto")))
    store = open_store(tmp_path / "s")
    assert list(store.smiles) == ["Ac-DEVD-CHO", "NCC(=O)O"]
    reasons = {reject["text"]: reject["reason"] for reject in store.rejects}
    assert not any("SMILES" in reason for reason in reasons.values())
    assert reasons["CC("].startswith("'(' is none of the twenty amino acids")
    assert "HELM or as a sequence" in reasons["oxytocin"]


def test_a_text_of_letters_may_be_either_without_a_false_warning() -> None:
    made = Featurizer(FeaturizeOptions(input_format="auto")).convert(["FFF", "PVC", "CNC", "acd"])
    assert made.kept.tolist() == [0, 1, 2]
    assert made.warnings == []
    assert made.columns.atom_ptr.tolist()[-1] == 34 + 21 + featurize("CNC").num_atoms
    assert "'a' is a small letter" in made.rejects[0].reason


def test_spaces_around_a_text_are_not_part_of_it(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"smiles,y\n ACD ,1\nCCO ,2\n\t\n")
    assert rows_of(path)[0] == ["ACD", "CCO", ""]


@pytest.mark.parametrize("text", ["PEPTIDE1{A.[dF].C}", "PEPTIDE1{A.[dF].C}$$$$V2.0"])
def test_helm_is_known_by_its_beginning_too(text: str) -> None:
    graph = Featurizer(FeaturizeOptions(input_format="auto")).featurize(text)
    assert graph.num_atoms == 23


@pytest.mark.parametrize("texts", ["CCO", ["CCO", None], ["CCO", float("nan")], [b"CCO"]])
def test_what_is_no_text_is_said(texts: Any) -> None:
    with pytest.raises(TypeError, match=r"expected several texts|not a string"):
        Featurizer().convert(texts)


def test_bytes_that_are_not_utf8_in_other_columns_are_noted(tmp_path: Path) -> None:
    lines = ["smiles,autor\u00e9", "NCC(=O)O,M\u00fcller", "CC(,M\u00fcller", "NCC(=O)O,Meier"]
    (tmp_path / "in.csv").write_bytes("".join(f"{line}\n" for line in lines).encode("latin-1"))
    with pytest.warns(UserWarning, match=r"in\.csv: a column name is not UTF-8"):
        build(tmp_path / "in.csv", tmp_path / "out", BuildOptions(rows_per_shard=2))
    store = open_store(tmp_path / "out")
    assert store.columns["autor\ufffd"].tolist() == ["M\ufffdller", "Meier"]
    (note,) = pq.read_table(tmp_path / "out" / "notes.parquet").to_pylist()
    assert (note["row_id"], note["kind"], note["text"]) == (0, "warning", "NCC(=O)O")
    assert note["note"].startswith("column 'autor\ufffd' is not UTF-8: U+FFFD stands for")
