"""JSON Lines: columns and types fit all rows of a file, and a broken line costs only its row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pepland_data import BuildOptions, build, open_store
from pepland_data.errors import InputError
from pepland_data.inputs import json_lines
from pepland_data.inputs.chunk import Chunk
from pepland_data.inputs.read_input import read_chunks

ROWS: list[dict[str, Any]] = [
    {"smiles": "CCO", "y": 1, "day": "2024-01-01", "id": "007"},
    {"smiles": "CCN"},
    {"smiles": "CCC", "y": 0.5, "day": "soon", "more": [1, 2]},
    {"smiles": None, "y": None},
    {"smiles": "CCF", "y": 3, "late": True},
]


def written(path: Path, lines: list[str | bytes]) -> Path:
    path.write_bytes(b"".join(s if isinstance(s, bytes) else f"{s}\n".encode() for s in lines))
    return path


def chunks_of(path: Path, rows: int = 100) -> list[Chunk]:
    return list(read_chunks(path, rows, None, "auto"))


@pytest.mark.parametrize("rows", [1, 2, 100])
@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_types_fit_all_rows_whatever_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, at_once: int
) -> None:
    monkeypatch.setattr(json_lines, "LINES_AT_ONCE", at_once)
    path = written(tmp_path / "in.jsonl", [json.dumps(row) for row in ROWS])
    chunks = chunks_of(path, rows)
    assert [text for chunk in chunks for text in chunk.texts] == ["CCO", "CCN", "CCC", "", "CCF"]
    columns = {
        name: pa.chunked_array([chunk.extra[name] for chunk in chunks]) for name in chunks[0].extra
    }
    assert {name: str(array.type) for name, array in columns.items()} == {
        "y": "double", "day": "string", "id": "string", "more": "list<item: int64>", "late": "bool",
    }  # fmt: skip
    assert columns["y"].to_pylist() == [1.0, None, 0.5, None, 3.0]
    assert columns["day"].to_pylist() == ["2024-01-01", None, "soon", None, None]
    assert columns["late"].to_pylist() == [None, None, None, None, True]


def test_a_broken_line_is_a_reject_and_an_empty_one_is_no_row(tmp_path: Path) -> None:
    good = json.dumps({"smiles": "NCC(=O)O", "y": 1})
    lines = [good, "", '{"smiles": "CC', good, "[1]", b'{"smiles": "C\xff"}\n', "   ", good, "{}"]
    build(written(tmp_path / "in.jsonl", lines), tmp_path / "out", BuildOptions(rows_per_shard=2))
    store = open_store(tmp_path / "out")
    assert store.row_id.tolist() == [0, 2, 5]
    assert store.columns["y"].tolist() == [1, 1, 1]
    reasons = [(reject["row_id"], reject["reason"]) for reject in store.rejects]
    broken = "the line is no JSON object in UTF-8"
    assert reasons == [(1, broken), (3, broken), (4, broken), (6, "no text")]


def test_numbers_and_texts_in_one_column_are_refused_by_its_name(tmp_path: Path) -> None:
    lines = [json.dumps({"smiles": "CCO", "y": y}) for y in (1, "many")]
    with pytest.raises(InputError, match=r"jsonl has a column .*Field y .*int64 vs string"):
        chunks_of(written(tmp_path / "in.jsonl", lines))


def test_texts_of_typed_files_that_are_not_utf8_are_one_sentence(tmp_path: Path) -> None:
    bad = pa.array([b"CCO", b"C\xff"]).view(pa.string())
    pq.write_table(pa.table({"smiles": bad}), tmp_path / "in.parquet")
    with pytest.raises(InputError, match=r"cannot be read to its end.*UTF8"):
        chunks_of(tmp_path / "in.parquet")
