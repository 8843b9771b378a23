"""The card of a store is read by `datasets`, and its examples run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from pepland_data import BuildOptions, build, open_store
from pepland_data.builder.append import append
from pepland_data.builder.convert_format import convert
from pepland_data.errors import InputError
from pepland_data.store.card import size_category, write_card
from tests.helpers.commands import cli
from tests.helpers.stores import built_store, write_csv, write_rows


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = built_store(tmp_path_factory.mktemp("card"), "data", range(25))
    assert cli("split", str(path), "--by", "random").returncode == 0
    assert cli("card", str(path), "--name", 'Ours: "25"').returncode == 0
    return path


def parts(path: Path) -> tuple[dict, str]:
    _, header, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(header), body


def test_the_header_is_metadata_of_the_hub(source: Path) -> None:
    header, _ = parts(source / "README.md")
    assert header["pretty_name"] == 'Ours: "25"'
    assert header["size_categories"] == ["n<1K"]
    assert "license" not in header
    files = {c["config_name"]: c["data_files"] for c in header["configs"]}
    assert list(files) == ["graphs", "atom", "bond", "fragment"]
    assert all(list(source.glob(pattern)) for pattern in files.values())


def test_the_text_has_the_counts_of_the_store(source: Path) -> None:
    _, body = parts(source / "README.md")
    counts = open_store(source).manifest.counts
    for name, count in counts.items():
        assert f"| {name} | {count:,} |" in body
    assert "| `affinity` | `double` | column of the input |" in body
    assert f"{counts['rejects']} of 25 rows became no graph; `rejects.parquet`" in body
    assert "| `default` | random | train " in body
    assert "| options: cut | `adafrag` |" in body


def test_datasets_reads_the_folder_as_it_is(source: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    store = open_store(source)
    rows = datasets.load_dataset(str(source), "graphs", split="train", cache_dir=str(tmp_path))
    assert rows["smiles"][:] == list(store.smiles)
    first = [atom["atom_code"] for atom in rows[0]["atoms"]]
    assert first == store[0].columns.atom_code.tolist()
    table = datasets.load_dataset(str(source), "atom", split="train", cache_dir=str(tmp_path))
    assert table[first[0]]["x"] == store[0].dense()["atom_x"][0].tolist()


def test_the_examples_of_the_card_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    pytest.importorskip("polars", reason="polars is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(source, "data")
    _, body = parts(source / "README.md")
    command = re.search(r"`pepland-data (export [^`]*)`", body)[1]
    assert cli(*command.split()).returncode == 0
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", body, re.S):
        exec(block, names)
        if "rows" not in names:
            assert capsys.readouterr().out.startswith(f"{len(open_store(source))} ")
    store = open_store(source)
    assert names["rows"]["smiles"].tolist() == list(store.smiles)
    assert [f.tolist() for f in names["features"]] == store[0].dense()["atom_x"].tolist()


def test_parquet_of_an_export_has_the_same_rows_in_datasets(source: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    assert cli("export", str(source), "--to", "parquet", "--out", str(tmp_path / "pq")).stdout
    load = {"split": "train", "cache_dir": str(tmp_path / "cache")}
    exported = datasets.load_dataset(
        "parquet", data_files=f"{tmp_path}/pq/graphs/*.parquet", **load
    )
    shards = datasets.load_dataset("arrow", data_files=f"{source}/shards/*.arrow", **load)
    assert exported.to_dict() == shards.to_dict()


def test_a_store_with_a_card_is_sound_and_the_card_is_written_again(source: Path) -> None:
    before = (source / "README.md").read_bytes()
    assert cli("verify", str(source)).returncode == 0
    done = cli("card", str(source), "--name", 'Ours: "25"', "--json")
    assert json.loads(done.stdout) == {"out": str(source / "README.md")}
    assert (source / "README.md").read_bytes() == before


@pytest.mark.parametrize("change", [
    lambda data: data + b"my words\n",
    lambda data: data.replace(b"# license: fill in", b"license: mit"),
    lambda data: b"# My data\n",
    lambda data: b"\xff\xfe" + data,
])  # fmt: skip
def test_a_file_that_was_changed_is_not_replaced(source: Path, tmp_path: Path, change) -> None:
    data = change((source / "README.md").read_bytes())
    (tmp_path / "README.md").write_bytes(data)
    with pytest.raises(InputError, match="name another --out, or delete it"):
        write_card(open_store(source), tmp_path / "README.md")
    assert (tmp_path / "README.md").read_bytes() == data


def test_a_folder_is_not_replaced_and_a_url_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name another --out"):
        write_card(open_store(source), tmp_path)
    with pytest.raises(InputError, match="name a local file"):
        write_card(open_store(source), "s3://bucket/README.md")


def test_a_zarr_store_offers_its_rejects_only(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason="zarr is not installed")
    convert(source, tmp_path / "z", "zarr")
    header, body = parts(write_card(open_store(tmp_path / "z"), licence="cc-by-4.0"))
    assert [c["config_name"] for c in header["configs"]] == ["rejects"]
    assert header["license"] == "cc-by-4.0"
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    rows = datasets.load_dataset(str(tmp_path / "z"), split="train", cache_dir=str(tmp_path / "c"))
    assert rows.to_list() == open_store(source).rejects
    assert "kind zarr" in body
    assert "reads the shards without an export" not in body


def test_odd_names_of_columns_stay_in_their_cell(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('smiles,"a|b\n`c`<i>"\nNCC(=O)O,1\n', encoding="utf-8")
    build(tmp_path / "in.csv", tmp_path / "store", BuildOptions())
    _, body = parts(write_card(open_store(tmp_path / "store")))
    (row,) = [line for line in body.splitlines() if "column of the input" in line]
    assert row == "| <code>a&#124;b `c`&lt;i&gt;</code> | `int64` | column of the input |"


def test_a_store_without_graphs_has_a_card(tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv", 3, bad=(0, 1, 2))
    build(tmp_path / "in.csv", tmp_path / "store", BuildOptions(max_reject_frac=1))
    header, body = parts(write_card(open_store(tmp_path / "store")))
    assert [c["config_name"] for c in header["configs"]] == ["rejects"]
    assert "0 peptides" in body


def test_append_leaves_the_card_of_the_old_rows_out(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "store")
    write_rows(tmp_path / "more.csv", range(30, 32))
    append(tmp_path / "more.csv", tmp_path / "store")
    assert not (tmp_path / "store" / "README.md").exists()


@pytest.mark.parametrize(("rows", "category"), [
    (0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (1_000_000, "1M<n<10M"), (10**12, "n>1T"),
])  # fmt: skip
def test_the_size_categories_are_those_of_the_hub(rows: int, category: str) -> None:
    assert size_category(rows) == category
