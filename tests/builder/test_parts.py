"""Parts of one build: merged they have its bytes; parts that do not fit are refused."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepland_data import build, open_store
from pepland_data.builder.merge import merge
from pepland_data.builder.options import BuildOptions
from pepland_data.chem.featurizer import FeaturizeOptions
from pepland_data.errors import BuildError, InputError
from pepland_data.inputs.part import Part, joined_parts
from pepland_data.inputs.read_input import count_rows, read_chunks
from tests.helpers.commands import cli
from tests.helpers.stores import PEPTIDES, files_of


def write(path: Path, rows: int = 47) -> Path:
    """Write columns whose first rows are integers and whose later rows are fractions or words."""
    lines = []
    for i in range(rows):
        text = "broken(" if i % 9 == 4 else PEPTIDES[i % 4]
        number = f"{i:03d}" if i < 20 else f"{i / 4}"
        lines.append(f'{text},{i:03d},{number},{number if i < 40 else "many"},"a\n{i}"\n')
    path.write_text("smiles,whole,fraction,word,quoted\n" + "".join(lines), encoding="utf-8")
    return path


def built(source: Path, out: Path, part: Part | None = None, **more: int) -> Path:
    build(source, out, BuildOptions(rows_per_shard=5, part=part, **more))
    return out


@given(st.integers(0, 400), st.integers(1, 30), st.integers(1, 40))
def test_parts_are_all_rows_once_in_whole_shards(total: int, per_shard: int, of: int) -> None:
    shards = -(-total // per_shard)
    if shards < of:
        with pytest.raises(InputError, match="too few for"):
            Part(1, of).rows(total, per_shard)
        return
    parts = [Part(n, of).rows(total, per_shard) for n in range(1, of + 1)]
    assert [row for part in parts for row in part] == list(range(total))
    assert all(part.start % per_shard == 0 for part in parts)
    counts = [-(-len(part) // per_shard) for part in parts]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("of", [1, 3, 10])
def test_merged_parts_have_the_bytes_of_one_build(tmp_path: Path, of: int) -> None:
    source = write(tmp_path / "in.csv")
    whole = built(source, tmp_path / "whole")
    parts = [built(source, tmp_path / f"p{n}", Part(n, of)) for n in range(1, of + 1)]
    assert sum(len(open_store(part)) for part in parts) == len(open_store(whole))
    random.Random(of).shuffle(parts)
    merge(parts, tmp_path / "joined")
    assert files_of(tmp_path / "joined") == files_of(whole)
    assert list(open_store(whole).columns["whole"][:2]) == [0, 1]


def test_parts_may_be_joined_in_steps(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv")
    parts = [built(source, tmp_path / f"p{n}", Part(n, 4), workers=1 + n % 2) for n in range(1, 5)]
    merge(parts[2:], tmp_path / "right")
    assert open_store(tmp_path / "right").manifest.input["part"] == "rows 25 to 46"
    merge([tmp_path / "right", *parts[:2]], tmp_path / "all")
    assert files_of(tmp_path / "all") == files_of(built(source, tmp_path / "whole"))


def test_missing_and_repeated_parts_are_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv")
    one, two, three = (built(source, tmp_path / f"p{n}", Part(n, 3)) for n in (1, 2, 3))
    with pytest.raises(BuildError, match=r"input rows 15 to 29 of in.csv are missing"):
        merge([one, three], tmp_path / "out")
    with pytest.raises(BuildError, match="there twice"):
        merge([one, two, two, three], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    other = built(write(tmp_path / "other.csv", 40), tmp_path / "o1", Part(1, 2))
    merge([one, other], tmp_path / "two inputs")
    assert len(open_store(tmp_path / "two inputs").manifest.input["parts"]) == 2


def test_a_part_is_resumed_as_itself_only(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv")
    built(source, tmp_path / "p", Part(1, 3))
    options = BuildOptions(rows_per_shard=5, part=Part(1, 3))
    assert build(source, tmp_path / "p", options).nothing_to_do
    with pytest.raises(BuildError, match=r"part was '1/3', now '2/3'\)"):
        built(source, tmp_path / "p", Part(2, 3))
    with pytest.raises(BuildError, match=r"part was '1/3', now None"):
        built(source, tmp_path / "p")


def test_parts_on_the_command_line(tmp_path: Path) -> None:
    source, out = str(write(tmp_path / "in.csv")), str(tmp_path / "p")
    flags = ["build", source, "--out", out, "--rows-per-shard", "5", "--max-reject-frac", "1"]
    for text, said in (("3of4", b"as 3/16"), ("5/4", b"1/4 to 4/4"), ("1/11", b"too few for 11")):
        done = cli(*flags, "--part", text)
        assert (done.returncode, said in done.stderr) == (1, True)
    assert b"--dedup" in cli(*flags, "--part", "1/2", "--dedup").stderr
    assert cli(*flags, "--part", "2/4").returncode == 0
    assert open_store(out).manifest.input["first_row"] == 10


@pytest.mark.parametrize("name", ["in.csv", "in.smi", "in.fasta", "in.parquet", "in.csv.gz"])
def test_every_file_kind_is_cut_into_parts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "in.csv":
        write(path, 23)
    elif name == "in.parquet":
        table = pa.table({"smiles": [f"{PEPTIDES[i % 4]}" for i in range(23)], "y": range(23)})
        pq.write_table(table, path, row_group_size=4)
    elif name == "in.fasta":
        path.write_text("".join(f">{i}\nGA\nV\n" for i in range(23)))
    else:
        import gzip

        text = "smiles name\n" if name == "in.smi" else "smiles,name\n"
        text += "".join(f"{PEPTIDES[i % 4]}{text[6]}n{i}\n" for i in range(23))
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    total = count_rows(path, None, "smiles")
    assert total == 23
    assert [len(c) for c in read_chunks(path, 5, None, "smiles")] == [5, 5, 5, 5, 3]
    whole = [t for c in read_chunks(path, 5, None, "smiles") for t in c.texts]
    for part in (Part(n, 2).rows(total, 5) for n in (1, 2)):
        chunks = list(read_chunks(path, 5, None, "smiles", part))
        assert [t for c in chunks for t in c.texts] == whole[part.start : part.stop]
        assert [c.first_row for c in chunks] == [5 * i for i in range(len(chunks))]


def test_what_is_no_part_is_not_joined_as_one() -> None:
    assert joined_parts([{"name": "a", "sha256": "x", "rows": 3}]) is None


def test_parts_and_dedup_do_not_go_together() -> None:
    with pytest.raises(InputError, match="cannot be seen"):
        BuildOptions(FeaturizeOptions(dedup=True), part=Part(1, 2))
