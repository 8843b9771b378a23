"""A store in a notebook: counts, sizes, columns, splits and the first peptides."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from pepland_data import GraphStore, open_store
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import write_split
from tests.helpers.bare_checkout import HIDE
from tests.helpers.golden_store import write_golden_store
from tests.helpers.page_reader import shown, text_of
from tests.helpers.paths import ROOT

WITHOUT_RDKIT = """
import json
from pepland_data import HeteroBatch, open_store
store = open_store(sys.argv[1])
things = [store, store[0], HeteroBatch.from_graphs([store[0], store[1]])]
print(json.dumps([thing._repr_html_() for thing in things]))
"""


@pytest.fixture
def store(tmp_path: Path) -> GraphStore:
    return write_golden_store(tmp_path / "store", slice(0, 12), 5)


def test_a_store_shows_what_it_holds(store: GraphStore) -> None:
    write_split(store, make_split(store, "random", {"train": 0.5, "valid": 0.5}))
    words = shown(store)
    assert "12 graphs of 12 rows, 0 rejected;" in words
    assert "in 3 arrow shards" in words
    assert f"atoms {store.num_atoms.sum():,} " in words
    assert "column length int64" in words
    assert "split default train " in words
    assert f"4 {store.smiles[4][:79]}" in words
    assert f" {store.columns['length'][0]:,} " in words


def test_names_and_texts_are_escaped(store: GraphStore, monkeypatch) -> None:
    hostile = {"<b>&name": pa.string()}
    monkeypatch.setattr(GraphStore, "column_types", lambda self: hostile)
    array = pa.array(["<img src=x onerror=alert(1)>"] * 5)
    monkeypatch.setattr(GraphStore, "shard_array", lambda self, s, name: array)
    assert "column <b>&name string" in shown(store)
    assert "<img src=x onerror=alert(1)>" in shown(store)
    assert "<img" not in store._repr_html_()


def test_a_remote_store_is_shown_without_its_shards(store: GraphStore, monkeypatch) -> None:
    def fetched(*_: object) -> None:
        raise AssertionError("a shard was read")

    remote = SimpleNamespace(url="s3://bucket/store")
    mirror = SimpleNamespace(remote=remote, refresh=lambda folder: None)
    monkeypatch.setattr(store, "mirror", mirror)
    monkeypatch.setattr(GraphStore, "shard_array", fetched)
    assert shown(store).startswith("GraphStore s3://bucket/store: 12 graphs of 12 rows")


def test_an_empty_store_is_shown(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    from pepland_data import build

    (tmp_path / "in.csv").write_text("smiles\nnothing\n", encoding="utf-8")
    build(tmp_path / "in.csv", tmp_path / "store")
    assert "0 graphs of 1 rows, 1 rejected" in shown(open_store(tmp_path / "store"))


def test_a_damaged_split_and_a_deleted_store_show_a_sentence(store: GraphStore) -> None:
    (store.path / "splits").mkdir(exist_ok=True)
    (store.path / "splits" / "default.json").write_text("{", encoding="utf-8")
    words = shown(store)
    assert words.startswith("GraphStore cannot be shown: ")
    assert words.endswith("make the split again")
    shutil.rmtree(store.path)
    assert shown(store).startswith("GraphStore ")


def test_everything_is_shown_without_rdkit(store: GraphStore) -> None:
    command = [sys.executable, "-c", HIDE + WITHOUT_RDKIT, str(store.path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    of_store, of_graph, of_batch = (text_of(markup) for markup in json.loads(done.stdout))
    assert "12 graphs of 12 rows" in of_store
    assert f"atoms {store[0].num_atoms} " in of_graph
    assert of_batch.startswith("HeteroBatch of 2 graphs on cpu")
