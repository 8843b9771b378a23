"""Merging gives the bytes of one build of all inputs; stores that differ are refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pepland_data import build, open_store
from pepland_data.builder.merge import merge
from pepland_data.errors import BuildError, StoreNotFoundError
from pepland_data.store.verify import verify
from tests.helpers.commands import cli
from tests.helpers.stores import built_store, files_but_manifest, files_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_store(tmp_path_factory.mktemp("whole"), "all", range(60))


@pytest.mark.parametrize("cuts", [(0, 28, 60), (0, 10, 11, 40, 60), (0, 17, 22, 60), (0, 60)])
def test_merged_stores_have_the_bytes_of_one_build(
    tmp_path: Path, whole: Path, cuts: tuple[int, ...]
) -> None:
    parts = [built_store(tmp_path, f"part{a}", range(a, b), 5 + a % 3) for a, b in pairwise(cuts)]
    report = merge(parts, tmp_path / "out", rows_per_shard=7)
    assert files_but_manifest(tmp_path / "out") == files_but_manifest(whole)
    assert (report.rows, report.graphs, report.rejects) == (60, 52, 8)
    assert verify(tmp_path / "out", semantic=60).sound


@pytest.mark.parametrize("link", [False, True])
def test_copied_shards_equal_shards_written_again(tmp_path: Path, link: bool) -> None:
    parts = [built_store(tmp_path, "a", range(0, 42)), built_store(tmp_path, "b", range(0, 20))]
    fast = merge(parts, tmp_path / "fast", link=link)
    plain = merge(parts, tmp_path / "plain", reuse=False)
    assert files_of(tmp_path / "fast") == files_of(tmp_path / "plain")
    assert (fast.reused_shards, plain.reused_shards) == (6, 0)
    shared = (tmp_path / "a/shards/000000.arrow").samefile(tmp_path / "fast/shards/000000.arrow")
    assert shared == link


def test_merging_one_store_changes_its_rows_per_shard(tmp_path: Path, whole: Path) -> None:
    merge([whole], tmp_path / "cut", rows_per_shard=11)
    direct = built_store(tmp_path, "direct", range(60), 11)
    assert files_but_manifest(tmp_path / "cut") == files_but_manifest(direct)


def test_merging_is_associative_and_remembers_every_input(tmp_path: Path) -> None:
    a, b, c = (built_store(tmp_path, n, range(10 * i, 10 * i + 10)) for i, n in enumerate("abc"))
    merge([merge([a, b], tmp_path / "ab").path, c], tmp_path / "left")
    merge([a, merge([b, c], tmp_path / "bc").path], tmp_path / "right")
    assert files_of(tmp_path / "left") == files_of(tmp_path / "right")
    parts = open_store(tmp_path / "left").manifest.input["parts"]
    assert [(p["name"], p["rows"]) for p in parts] == [(f"{n}.csv", 10) for n in "abc"]


def test_columns_are_joined_by_name_and_widened(tmp_path: Path) -> None:
    tables = {
        "a": {"smiles": ["CC", "CCC"], "y": [1, 2], "only_a": ["u", None]},
        "b": {"smiles": ["CCCC"], "y": [2.5]},
        "c": {"smiles": ["CCCCC"], "y": ["high"]},
    }
    for name, table in tables.items():
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
        build(tmp_path / f"{name}.parquet", tmp_path / name)
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "ab")
    store = open_store(tmp_path / "ab")
    np.testing.assert_array_equal(store.columns["y"], [1, 2, 2.5])
    assert list(store.columns["only_a"]) == ["u", None, None]
    report = merge([tmp_path / "ab", tmp_path / "c"], tmp_path / "abc")
    assert list(open_store(tmp_path / "abc").columns["y"]) == ["1", "2", "2.5", "high"]
    assert any("'y' was double, string, now large_string" in n for n in report.notes)


def test_a_store_without_graphs_can_be_merged(tmp_path: Path) -> None:
    bad, good = built_store(tmp_path, "bad", range(17, 22)), built_store(tmp_path, "good", range(5))
    report = merge([bad, good], tmp_path / "out")
    assert (report.graphs, report.rejects) == (4, 6)
    assert [r["row_id"] for r in open_store(tmp_path / "out").rejects] == [0, 1, 2, 3, 4, 8]


def test_stores_with_other_options_are_refused(tmp_path: Path, whole: Path) -> None:
    other = built_store(tmp_path, "other", range(5), cut="amiibo")
    with pytest.raises(BuildError, match=r"cut 'amiibo'.*has 'adafrag'"):
        merge([whole, other], tmp_path / "out")
    with pytest.raises(BuildError, match="is there already"):
        merge([whole], other)
    with pytest.raises(StoreNotFoundError):
        merge([whole, tmp_path / "none"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*.merging"))


def test_the_same_merge_again_has_nothing_to_do(tmp_path: Path) -> None:
    parts = [built_store(tmp_path, "a", range(20)), built_store(tmp_path, "b", range(20, 40))]
    assert not merge(parts, tmp_path / "out").nothing_to_do
    before = files_of(tmp_path / "out")
    (tmp_path / ".out.merging").mkdir()  # left by a merge that was killed after its last step
    assert merge(parts, tmp_path / "out").nothing_to_do
    assert files_of(tmp_path / "out") == before
    assert not (tmp_path / ".out.merging").exists()
    for other in (parts[:1], parts[::-1]):
        with pytest.raises(BuildError, match="is there already"):
            merge(other, tmp_path / "out")


def test_the_files_of_a_killed_merge_are_no_store_and_are_replaced(
    tmp_path: Path, whole: Path
) -> None:
    (tmp_path / ".out.merging/shards").mkdir(parents=True)
    (tmp_path / ".out.merging/shards/000000.arrow").write_bytes(b"half")
    with pytest.raises(StoreNotFoundError):
        open_store(tmp_path / "out")
    merge([whole], tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(whole)
    assert {p.name for p in tmp_path.iterdir()} == {"out"}


def test_the_command_answers_in_json(tmp_path: Path, whole: Path) -> None:
    done = cli("merge", str(whole), str(whole), "--out", str(tmp_path / "twice"), "--json")
    assert json.loads(done.stdout)["graphs"] == 104
    assert cli("merge", str(whole), "--out", str(whole)).returncode == 1
