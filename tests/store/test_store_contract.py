"""Promises of a store that hold for both formats, and both formats contain the same."""

from __future__ import annotations

import pickle
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from pepland_data import GraphStore, build, featurize, open_store
from pepland_data.builder.convert_format import convert
from pepland_data.errors import (
    InputError,
    MissingDependencyError,
    StoreDamagedError,
    StoreNotFoundError,
)
from pepland_data.graph.columns import GROUPS
from pepland_data.store.split.recorded import open_split
from pepland_data.store.verify import verify
from tests.helpers.commands import cli
from tests.helpers.stores import files_of
from tests.store.conftest import COUNT

OTHER = {"arrow": "zarr", "zarr": "arrow"}


@pytest.fixture(params=["arrow", "zarr"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(kind: str, formats: dict[str, Path]) -> Path:
    return formats[kind]


@pytest.fixture
def copy(path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(path, tmp_path / "copy"))


@pytest.fixture
def store(path: Path) -> GraphStore:
    return open_store(path)


def read_all(store: GraphStore) -> None:
    for s in range(store.num_shards):
        store.shard(s)


def test_a_stored_graph_equals_the_featurized_text(store: GraphStore) -> None:
    assert len(store) == COUNT - len(range(5, COUNT, 13))
    for row, text in enumerate(store.smiles):
        assert store[row] == featurize(text)
    assert store[-1] == store[len(store) - 1]
    with pytest.raises(IndexError):
        store[len(store)]


def test_sizes_are_those_of_the_graphs(store: GraphStore) -> None:
    for name in ("num_atoms", "num_fragments", "num_bonds", "num_reactions"):
        assert getattr(store, name).dtype == np.uint32
    assert store.num_atoms.tolist() == [g.num_atoms for g in store]
    assert store.num_fragments.tolist() == [g.num_fragments for g in store]


def test_both_formats_contain_the_same(formats: dict[str, Path]) -> None:
    store, plain = open_store(formats["zarr"]), open_store(formats["arrow"])
    assert store.shard_ptr.tolist() == plain.shard_ptr.tolist()
    assert store.row_id.tolist() == plain.row_id.tolist()
    assert list(store.smiles) == list(plain.smiles)
    assert store.smiles[3:5] == plain.smiles[3:5]
    assert store.tables.same_as(plain.tables)
    assert store.rejects == plain.rejects
    assert store.column_types() == plain.column_types()
    for name in plain.columns:
        for s in range(plain.num_shards):
            assert store.shard_array(s, name).equals(plain.shard_array(s, name))
    for s in range(plain.num_shards):
        ours, theirs = store.shard_columns(s), plain.shard_columns(s)
        for group, names in GROUPS.items():
            np.testing.assert_array_equal(ours.sizes(group), theirs.sizes(group))
            for name in names:
                assert getattr(ours, name).dtype == getattr(theirs, name).dtype
                np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_pass_through_columns_are_row_aligned(store: GraphStore) -> None:
    rows = store.row_id
    np.testing.assert_array_equal(store.columns["whole"], rows - 9)
    expected = np.where(rows % 7 == 3, np.nan, rows / 3)
    np.testing.assert_array_equal(store.columns["affinity"], expected)
    assert list(store.columns["_odd/name.x"]) == [f"n{i}" for i in rows]
    assert [list(tags) for tags in store.columns["tags"]] == [["a"] * (i % 3) for i in rows]


def test_gathered_graphs_are_the_chosen_ones(store: GraphStore) -> None:
    rows = [40, 3, 3, 54, 0]
    columns = store.gather(rows)
    for place, row in enumerate(rows):
        one = columns.slice(place, place + 1)
        assert one.atom_code.tolist() == store[row].columns.atom_code.tolist()
    assert len(store.gather([])) == 0


def test_a_store_can_be_pickled(store: GraphStore) -> None:
    assert pickle.loads(pickle.dumps(store))[5] == store[5]


def test_verify_finds_no_fault_and_info_prints_the_columns(path: Path) -> None:
    assert verify(path, semantic=10).sound
    done = cli("info", str(path))
    assert done.returncode == 0
    assert b"affinity" in done.stdout


def test_a_conversion_copies_the_recorded_splits(formats: dict[str, Path]) -> None:
    arrow, zarr = (open_split(open_store(path)).assignment for path in formats.values())
    np.testing.assert_array_equal(arrow, zarr)


def test_conversion_and_back_gives_the_same_bytes_for_any_workers(
    formats: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    convert(formats[kind], tmp_path / "there", OTHER[kind], workers=2)
    convert(tmp_path / "there", tmp_path / "back", kind)
    assert files_of(tmp_path / "there") == files_of(formats[OTHER[kind]])
    assert files_of(tmp_path / "back") == files_of(formats[kind])


def test_arrays_of_many_objects_give_the_same_graphs(
    formats: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("layout", "arrays"):
        monkeypatch.setattr(f"pepland_data.store.zarr.{module}.SHARD", 96)
    monkeypatch.setattr("pepland_data.store.zarr.layout.CHUNK", 32)
    monkeypatch.setattr("pepland_data.store.zarr.read.WINDOW_ROWS", 20)
    convert(formats["arrow"], tmp_path / "cut", "zarr")
    store, plain = open_store(tmp_path / "cut"), open_store(formats["arrow"])
    assert sum("atom_code/c/" in e.file for e in store.manifest.shards) > 3
    for row in random.Random(0).sample(range(len(store)), 20):
        assert store[row] == plain[row]
    convert(tmp_path / "cut", tmp_path / "back", "arrow")
    assert files_of(tmp_path / "back") == files_of(formats["arrow"])


def test_a_store_without_graphs_is_converted_too(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("smiles,y\nnonsense,1\n")
    build(tmp_path / "in.csv", tmp_path / "arrow")
    convert(tmp_path / "arrow", tmp_path / "zarr", "zarr")
    for kind in OTHER:
        store = open_store(tmp_path / kind)
        assert (len(store), len(store.rejects), list(store.columns)) == (0, 1, ["y"])
        assert verify(tmp_path / kind).sound
    convert(tmp_path / "zarr", tmp_path / "back", "arrow")
    assert files_of(tmp_path / "back") == files_of(tmp_path / "arrow")


def test_a_flipped_bit_in_any_file_is_found_and_does_not_end_the_process(
    copy: Path, kind: str
) -> None:
    generator = random.Random(1)
    files = sorted(p for p in copy.rglob("*") if p.is_file())
    for file in files * {"arrow": 4, "zarr": 1}[kind]:
        whole = file.read_bytes()
        position = generator.randrange(len(whole))
        flipped = bytes([whole[position] ^ (1 << generator.randrange(8))])
        file.write_bytes(whole[:position] + flipped + whole[position + 1 :])
        assert not verify(copy).sound, (file, position)
        try:
            store = open_store(copy)
            for graph in store:
                graph.dense()
            list(store.columns.values())
        except StoreDamagedError:
            pass
        file.write_bytes(whole)
    assert verify(copy).sound


def test_a_shortened_or_missing_file_is_damage(copy: Path) -> None:
    shards = [entry for entry in open_store(copy).manifest.shards if entry.rows > 1]
    for number, entry in enumerate(shards):
        file = copy / entry.file
        whole = file.read_bytes()
        file.unlink()
        if number % 2:
            file.write_bytes(whole[:-1])
        with pytest.raises(StoreDamagedError):
            read_all(open_store(copy))
        file.write_bytes(whole)
    read_all(open_store(copy))


def test_an_unfinished_conversion_is_not_a_store(copy: Path) -> None:
    (copy / "manifest.json").unlink()
    with pytest.raises(StoreNotFoundError):
        open_store(copy)


def test_a_conversion_that_is_impossible_is_one_sentence(
    formats: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="arrow or zarr"):
        convert(formats["arrow"], tmp_path / "x", "hdf5")
    folder = formats["arrow"].parent
    for source, out, kind, code, message in (
        ("arrow", "x", "arrow", 1, b"format arrow already"),
        ("arrow", "zarr", "zarr", 1, b"is there already"),
        ("none", "x", "zarr", 1, b"there is no store"),
        ("arrow", "x", "hdf5", 2, b"'arrow', 'zarr'"),
    ):
        done = cli("convert", str(folder / source), str(folder / out), "--format", kind)
        assert done.returncode == code
        assert message in done.stderr
    assert not (folder / "x").exists()


def test_a_missing_zarr_package_is_named(
    formats: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    assert len(open_store(formats["arrow"]))
    with pytest.raises(MissingDependencyError, match="pip install"):
        open_store(formats["zarr"])
    with pytest.raises(MissingDependencyError, match="pip install"):
        convert(formats["arrow"], tmp_path / "out", "zarr")
    assert not (tmp_path / "out").exists()
