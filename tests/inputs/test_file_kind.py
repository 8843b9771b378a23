"""A file is read as what it is: kinds by content, compressed files, and kinds that are refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from pathlib import Path
from typing import Any

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
    "an office document, for example a workbook": b"PK\x03\x04\x14\0\0\0[Content_Types].xml",
    "a tar archive": b"in.smi".ljust(257, b"\0") + b"ustar\x0000",
    "compressed twice": gzip.compress(gzip.compress(CSV)),
    "a file of R": gzip.compress(b"X\n\0\0\0\x03\xff\xfe"),
    "an RTF document": b"{\\rtf1\\ansi text}\n",
    "a file of reactions": b"$RXN\n\n\n\n  1  1\n$MOL\n\n\n\nM  END\n",
    "a PDBQT file": b"ROOT\nATOM      1  C   UNL     1\n",
    "an XYZ file": b"3\nwater\nO 0.0 0.0 0.117\nH 0.0 0.757 -0.47\nH 0.0 -0.757 -0.47\n",
    "an alignment": b"CLUSTAL W (1.82) multiple sequence alignment\n\nseq1 ACDEF--G\n",
    "a FASTQ file": b"@read\nACGT\n+\nIIII\n",
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


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress])
def test_what_is_inside_a_compressed_file_counts(tmp_path: Path, packed: Any) -> None:
    for what, data in REFUSED.items():
        (tmp_path / "in.csv").write_bytes(packed(data))
        with pytest.raises(InputError, match=r"twice|" + what):
            file_kind(tmp_path / "in.csv")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("in.csv", CSV.replace(b",", b"\t")),
        ("in.tsv", CSV),
        ("in.txt", CSV),
        ("in", CSV.replace(b",", b";")),
        ("in.csv.zst", b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + READ["in.csv.zst"]),
    ],
)
def test_a_table_is_read_by_its_header_whatever_it_is_called(
    tmp_path: Path, name: str, data: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    (chunk,) = read_chunks(tmp_path / name, 9, None, "auto")
    assert chunk.texts == ["CCO", "CCN", "CCC"]
    assert chunk.extra == {"y": ["1", "2", "3"]}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_joined_compressed_files_are_one_file(tmp_path: Path, pack: Any) -> None:
    (tmp_path / "in.csv").write_bytes(pack(CSV) + pack(b"CCF,4\n"))
    (chunk,) = read_chunks(tmp_path / "in.csv", 9, None, "auto")
    assert chunk.texts == ["CCO", "CCN", "CCC", "CCF"]


def test_other_line_ends_and_devices_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(CSV.replace(b"\n", b"\r"))
    with pytest.raises(InputError, match=r"ends its lines with \\r alone"):
        read_chunks(tmp_path / "in.csv", 9, None, "auto")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(InputError, match="is a pipe, socket or device"):
            read_chunks(path, 9, None, "auto")


@pytest.mark.parametrize("line", ["# " * 4000, "#" * 60_000, "\n" * 60_000, "(" * 60_000])
def test_no_pattern_needs_long_for_odd_lines(tmp_path: Path, line: str) -> None:
    (tmp_path / "in.smi").write_text(f"{line}\nCCO\n")
    assert file_kind(tmp_path / "in.smi").name == "plain"


@pytest.mark.parametrize("name", ["in.fasta", "in.csv", "in.smi"])
def test_fasta_is_known_by_its_first_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"; a comment\n>one\n;another\nACD EF\nGH*\n>\n>three\nAC1\n")
    (chunk,) = read_chunks(tmp_path / name, 9, None, "auto")
    assert chunk.texts == ["ACDEFGH", "", "AC1"]
    assert chunk.problems[1] == "the record has no residues"
    assert chunk.problems[2].startswith("'1' is none of the twenty amino acids: position 3")
    assert chunk.extra == {"name": ["one", None, "three"]}


@pytest.mark.parametrize("name", ["in.fasta", "in.csv"])
def test_other_text_is_not_read_as_fasta(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CSV)
    with pytest.raises(InputError, match="is not a FASTA file"):
        read_chunks(tmp_path / name, 9, None, "fasta")


@pytest.mark.parametrize("name", [n for n in READ if not n.endswith(("csv", "jsonl"))])
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
