"""Blocks hold the same rows as one reader of the whole file."""

from __future__ import annotations

import csv
import gzip
import io
import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pepland_data.errors import InputError
from pepland_data.inputs import text_lines as lines_module
from pepland_data.inputs.line_block import FileSpan, LineBlock
from pepland_data.inputs.read_input import count_rows, read_blocks, read_chunks
from pepland_data.inputs.text_lines import Lines

CELL = st.text(st.sampled_from('aC1"",;\t\r\n \x00é\ufeff\x85\u2028'), max_size=6)
BODY = st.lists(
    st.one_of(
        CELL.map(str.encode), st.sampled_from([b"\n", b",", b"\xff", b'"', b'"x\ny"', b"\r\n"])
    ),
    max_size=60,
).map(b"".join)  # fmt: skip
COMMON = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def plain_csv(data: bytes) -> list[tuple[str, list[str]]]:
    """Return the readable part of each row, by one reader of all lines."""
    reader = csv.reader(
        io.TextIOWrapper(io.BytesIO(data), "utf-8", "surrogateescape", newline="\n")
    )
    found: list[tuple[str, list[str]]] = []
    while True:
        try:
            found.append(("row", next(reader)))
        except StopIteration:
            return found
        except csv.Error:
            found.append(("bad", []))


@COMMON
@given(BODY, st.integers(1, 7), st.booleans())
@example(b'a,"b\nc"\nd,e\n"f,1\n', 1, False)
@example(b"a\rb,1\nc,2", 2, True)
def test_blocks_of_any_size_hold_the_rows_of_one_reader(
    tmp_path: Path, body: bytes, rows: int, zipped: bool
) -> None:
    path = tmp_path / "in.csv"
    data = b"smiles,y\n" + body
    path.write_bytes(gzip.compress(data) if zipped else data)
    expected = plain_csv(data)[1:]
    chunks = list(read_chunks(path, rows, None, "smiles"))
    assert [c.first_row for c in chunks] == list(range(0, len(expected), rows))
    assert all(len(c) == rows for c in chunks[:-1])
    assert count_rows(path, None, "smiles") == len(expected)
    texts = [text for chunk in chunks for text in chunk.texts]
    bad = {c.first_row + place for c in chunks for place in c.problems}
    for number, (kind, cells) in enumerate(expected):
        if kind == "bad":
            assert number in bad
        elif number not in bad:
            assert texts[number] == (cells[0] if cells else "").strip() or texts[number] == cells[0]


@COMMON
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=9)))
def test_plain_lines_are_one_row_each(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "in.smi"
    path.write_bytes(b"smiles\n" + "".join(f"{line}\n" for line in lines).encode())
    assert count_rows(path, None, "smiles") == len(lines)
    chunks = list(read_chunks(path, 3, None, "smiles"))
    assert sum(len(c) for c in chunks) == len(lines)
    for line, text in zip(lines, (t for c in chunks for t in c.texts), strict=True):
        words = line.strip("\r\n").strip(" \t").split(None, 1)
        if set(line) & set("[{|"):  # a blank may be inside of the text
            assert "".join(line.split()).startswith("".join(text.split()))
        else:
            assert text in (words[0], words[0].strip()) if words else text == ""


def test_only_blocks_with_quotes_are_parsed_at_once(tmp_path: Path) -> None:
    rows = [f"C{i},1\n" for i in range(20)]
    rows[11] = '"C\n11",1\n'
    (tmp_path / "in.csv").write_text("smiles,y\n" + "".join(rows))
    blocks = list(read_blocks(tmp_path / "in.csv", 5, None, "smiles"))
    assert [isinstance(b, LineBlock) for b in blocks] == [True, True, False, True]
    texts = [t for b in blocks for t in b.parse().texts]
    assert texts[10:13] == ["C10", "C\n11", "C12"]
    assert [b.first_row for b in blocks] == [0, 5, 10, 15]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_those_of_the_file_however_it_is_read(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "READ_SIZE", size)
    path = tmp_path / "in.txt"
    for data in (b"", b"\n", b"a", b"a\n", b"\n\nab\rc\r\n\xffdef\n\ngh", b"a\nbc\n" * 5 + b"\n"):
        path.write_bytes(data)
        expected = list(io.BytesIO(data))
        assert list(Lines(path)) == expected
        for count in (1, 2, 5):
            lines, rest = Lines(path), list(expected)
            while rest:  # some at once, then one, in turns
                assert lines.peek() == rest[0]
                assert lines.take(count) == (b"".join(rest[:count]), len(rest[:count]))
                assert list(islice(lines, 1)) == rest[count : count + 1]
                del rest[: count + 1]
            assert (lines.peek(), lines.take(count)) == (b"", (b"", 0))


@pytest.mark.parametrize("spoil", ["cut", "flipped"])
def test_a_damaged_gzip_file_is_an_input_error(tmp_path: Path, spoil: str) -> None:
    data = bytearray(gzip.compress(b"smiles\n" + os.urandom(50_000).hex().encode()))
    if spoil == "flipped":
        data[10:40] = b"\xff" * 30
    else:
        del data[len(data) // 2 :]
    (tmp_path / "in.csv.gz").write_bytes(data)
    with pytest.raises(InputError, match="cannot be read to its end"):
        list(read_chunks(tmp_path / "in.csv.gz", 100, None, "smiles"))


@pytest.mark.parametrize("kind", ["csv", "smi"])
def test_workers_find_lines_by_their_position(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"in.{kind}"
    path.write_bytes(
        b"smiles,y\nC,1\nCC,2\nCCC,3\nC\xc3\xa9,4\nCCO,5" if kind == "csv" else b"C\nCC\nO"
    )
    held = [block.parse() for block in read_blocks(path, 2, None, "smiles")]
    blocks = list(read_blocks(path, 2, None, "smiles", by_place=True))
    assert all(isinstance(b, LineBlock) and isinstance(b.lines, FileSpan) for b in blocks)
    assert [block.parse() for block in blocks] == held
    path.write_bytes(path.read_bytes()[:-1].replace(b"C", b"\n", 1))
    for block in (blocks[0], blocks[-1]):
        with pytest.raises(InputError, match="changed while it was read"):
            block.parse()


def test_blocks_of_gzipped_files_hold_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress(b"smiles\nC\nCC\n"))
    (block,) = read_blocks(path, 5, None, "smiles", by_place=True)
    assert isinstance(block, LineBlock)
    assert block.lines == b"C\nCC\n"
