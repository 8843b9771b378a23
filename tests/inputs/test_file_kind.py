"""A file is read as what it is: kinds by content, compressed files, and kinds that are refused."""

from __future__ import annotations

import bz2
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from pepland_data.errors import InputError
from pepland_data.inputs.file_kind import file_kind
from pepland_data.inputs.read_input import read_chunks

TABLE = pa.table({"smiles": ["CCO", "CCN", "CCC"], "y": [1, 2, 3]})
ROWS = ((b"CCO", 1), (b"CCN", 2), (b"CCC", 3))
CSV = b"smiles,y\nCCO,1\nCCN,2\nCCC,3\n"


def arrow(data: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue().to_pybytes()


def file_of(writer: object) -> bytes:
    sink = pa.BufferOutputStream()
    writer(TABLE, sink)  # type: ignore[operator]
    return sink.getvalue().to_pybytes()


READ = {
    "in.csv.bz2": bz2.compress(CSV),
    "in.csv.xz": lzma.compress(CSV),
    "in.csv.zst": arrow(CSV, "zstd"),
    "in.csv.lz4": arrow(CSV, "lz4"),
    "in.feather": file_of(feather.write_feather),
    "named.csv": file_of(pq.write_table),
    "in.arrows": stream(TABLE),
    "in.jsonl": b"".join(b'{"smiles": "%s", "y": %d}\n' % r for r in ROWS),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_every_kind_gives_the_same_rows(tmp_path: Path, name: str, rows: int) -> None:
    (tmp_path / name).write_bytes(READ[name])
    chunks = list(read_chunks(tmp_path / name, rows, None, "auto"))
    assert [len(chunk) for chunk in chunks] == {1: [1, 1, 1], 2: [2, 1], 9: [3]}[rows]
    assert [text for chunk in chunks for text in chunk.texts] == ["CCO", "CCN", "CCC"]
    values = [int(str(value)) for chunk in chunks for value in chunk.extra["y"]]
    assert values == [1, 2, 3]


REFUSED = {
    "a zip archive": b"PK\x03\x04\x14\0\0\0",
    "an office document": b"\xd0\xcf\x11\xe0\xa1\xb1",
    "a pickle": b"\x80\x04\x95\x10\0",
    "binary data": bytes(range(128, 256)) * 20,
    "a PDB file": b"HEADER    PEPTIDE\nATOM      1  N   ALA A   1\n",
    "an mmCIF file": b"data_1ABC\n#\n_entry.id 1ABC\n",
    "a UniProt": b"ID   GHRL_HUMAN   Reviewed;   117 AA.\nAC   Q9UBU3;\n",
    "a GenBank file": b"LOCUS       AB000263   368 bp\n",
    "a MOL2 file": b"# made\n@<TRIPOS>MOLECULE\n",
    "an XML or HTML file": b"<?xml version='1.0'?>\n<a/>\n",
    "a JSON document": b'{\n "a": 1\n}\n',
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("name", ["in.csv", "in", "in.smi"])
def test_other_kinds_are_refused_by_name_whatever_the_file_is_called(
    tmp_path: Path, what: str, name: str
) -> None:
    (tmp_path / name).write_bytes(REFUSED[what])
    with pytest.raises(InputError, match=what) as caught:
        read_chunks(tmp_path / name, 9, None, "auto")
    assert "Parquet" in str(caught.value)


@pytest.mark.parametrize("name", [name for name in READ if not name.endswith("csv")])
def test_a_file_that_is_cut_short_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(READ[name][: len(READ[name]) // 2 + 3])
    with pytest.raises(InputError, match=str(path)):
        list(read_chunks(path, 9, None, "auto"))


def test_a_row_of_control_characters_does_not_make_a_list_binary(tmp_path: Path) -> None:
    (tmp_path / "in.smi").write_bytes(b"CCO\n" + b"\0" * 600 + b"\n" + b"CCN\n" * 600)
    assert file_kind(tmp_path / "in.smi").name == "plain"


def test_small_letters_are_residues_in_fasta_and_gaps_are_named(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b">masked\nacdEF*\n>aligned\nAC--D\n>odd\nACX\n")
    (chunk,) = read_chunks(tmp_path / "in.txt", 9, None, "auto")
    assert chunk.texts == ["ACDEF", "AC--D", "ACX"]
    assert chunk.problems[1] == "gap '-' at position 3; remove the gaps of the alignment"
    assert chunk.problems[2].startswith("'X' stands for any residue: position 3")
