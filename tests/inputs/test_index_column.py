"""The index of a data frame does not become a column, unless it is asked for."""

from __future__ import annotations

import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from pepland_data import open_store
from tests.helpers.commands import cli

INDEX = ["0", "1"]
TABLES = {
    "in.csv": ["", "smiles", "y"],
    "again.csv": ["", "Unnamed: 0", "Unnamed: 0.1", "smiles", "y"],
    "in.tsv": ["Unnamed: 0", "smiles", "y"],
    "in.parquet": ["smiles", "y", "__index_level_0__"],
    "in.feather": ["smiles", "y", "__index_level_0__"],
}


def written(path: Path, header: list[str]) -> Path:
    columns = {"smiles": ["CCO", "CCN"], "y": ["3", "4"]}
    values = [columns.get(name, INDEX) for name in header]
    if path.suffix in (".csv", ".tsv"):
        rows = [header, *zip(*values, strict=True)]
        mark = "\t" if path.suffix == ".tsv" else ","
        path.write_text("".join(f"{mark.join(row)}\n" for row in rows), encoding="utf-8")
    else:
        write = pq.write_table if path.suffix == ".parquet" else feather.write_feather
        write(pa.Table.from_arrays([pa.array(one) for one in values], header), path)
    return path


@pytest.mark.parametrize("name", TABLES)
def test_the_index_is_left_out_with_a_line_that_says_so(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, TABLES[name])
    with pytest.warns(UserWarning, match="is the index of a data frame and was left out") as said:
        cli("build", str(path), "--out", str(tmp_path / "store"), "--workers", "1")
    assert len(said) == len(TABLES[name]) - 2
    assert open_store(tmp_path / "store").manifest.columns == ("y",)
    assert "keep_index" not in open_store(tmp_path / "store").manifest.options


@pytest.mark.parametrize("name", TABLES)
def test_the_index_is_kept_on_request(tmp_path: Path, name: str) -> None:
    path, store = written(tmp_path / name, TABLES[name]), str(tmp_path / "store")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cli("build", str(path), "--out", store, "--workers", "1", "--keep-index")
    names = [n or "column_1" for n in TABLES[name] if n != "smiles"]
    assert list(open_store(store).manifest.columns) == names
    assert cli("build", str(path), "--out", store).returncode == 1, "another recipe"
    assert cli("build", str(path), "--out", store, "--keep-index").returncode == 0


def test_a_column_without_a_name_that_is_not_the_first_is_no_index(tmp_path: Path) -> None:
    path = written(tmp_path / "in.csv", ["smiles", "y", ""])
    cli("build", str(path), "--out", str(tmp_path / "store"), "--workers", "1")
    assert open_store(tmp_path / "store").manifest.columns == ("y", "column_3")
