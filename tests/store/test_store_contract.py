"""What a store promises, for each format it may have, and both formats hold the same."""

from __future__ import annotations

import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pepland_data import BuildOptions, GraphStore, build, featurize, open_store
from pepland_data.builder.convert_format import convert
from pepland_data.errors import InputError, StoreDamagedError, StoreNotFoundError
from pepland_data.graph.columns import GROUPS
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import open_split, write_split
from pepland_data.store.verify import verify
from tests.helpers.commands import cli
from tests.helpers.stores import PEPTIDES, files_of

pytest.importorskip("zarr")

COUNT, PER_SHARD = 60, 8


def typed_input(path: Path, count: int = COUNT) -> Path:
    """Rows with columns of many types, with missing values, and some rejects."""
    rows = range(count)
    gaps = [i % 7 == 3 for i in rows]
    table = pa.table(
        {
            "smiles": ["nonsense" if i % 13 == 5 else PEPTIDES[i % 4] for i in rows],
            "affinity": pa.array([i / 3 for i in rows], mask=np.array(gaps)),
            "whole": pa.array([i - 9 for i in rows], pa.int16()),
            "flag": pa.array([None if g else i % 2 == 0 for i, g in zip(rows, gaps, strict=True)]),
            "note": [None if g else "ß" * (i % 5) for i, g in zip(rows, gaps, strict=True)],
            "tags": [["a"] * (i % 3) for i in rows],
            "day": pa.array([i * 86_400_000 for i in rows], pa.timestamp("ms")),
            "_odd/name.x": pa.array([f"n{i}" for i in rows], pa.large_string()),
        }
    )
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def arrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contract")
    source = typed_input(folder / "in.parquet")
    build(source, folder / "arrow", BuildOptions(rows_per_shard=PER_SHARD))
    store = open_store(folder / "arrow")
    write_split(store, make_split(store, seed=1))
    return folder / "arrow"


@pytest.fixture(scope="module")
def both(arrow: Path) -> dict[str, Path]:
    convert(arrow, arrow.parent / "zarr", "zarr")
    return {"arrow": arrow, "zarr": arrow.parent / "zarr"}


@pytest.fixture(params=["arrow", "zarr"])
def path(request: pytest.FixtureRequest, both: dict[str, Path]) -> Path:
    return both[request.param]


@pytest.fixture
def store(path: Path) -> GraphStore:
    return open_store(path)


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


def test_both_formats_hold_the_same(store: GraphStore, arrow: Path) -> None:
    plain = open_store(arrow)
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


def test_gathered_graphs_are_those_that_were_named(store: GraphStore) -> None:
    rows = [40, 3, 3, 54, 0]
    columns = store.gather(rows)
    for place, row in enumerate(rows):
        one = columns.slice(place, place + 1)
        assert one.atom_code.tolist() == store[row].columns.atom_code.tolist()
    assert len(store.gather([])) == 0


def test_a_pickled_store_opens_itself_again(store: GraphStore) -> None:
    assert pickle.loads(pickle.dumps(store))[5] == store[5]


def test_verify_finds_it_sound_and_info_answers(path: Path) -> None:
    assert verify(path, semantic=10).sound
    done = cli("info", str(path))
    assert done.returncode == 0
    assert b"affinity" in done.stdout


def test_a_recorded_split_belongs_to_both(store: GraphStore, arrow: Path) -> None:
    expected = open_split(open_store(arrow)).assignment
    np.testing.assert_array_equal(open_split(store).assignment, expected)


@pytest.mark.parametrize("kind", ["arrow", "zarr"])
def test_there_and_back_gives_the_same_bytes(both: dict[str, Path], tmp_path: Path, kind) -> None:
    other = {"arrow": "zarr", "zarr": "arrow"}[kind]
    convert(both[kind], tmp_path / "there", other)
    convert(tmp_path / "there", tmp_path / "back", kind)
    assert files_of(tmp_path / "there") == files_of(both[other])
    assert files_of(tmp_path / "back") == files_of(both[kind])


@pytest.mark.parametrize("kind", ["arrow", "zarr"])
def test_workers_change_no_byte(both: dict[str, Path], tmp_path: Path, kind) -> None:
    other = {"arrow": "zarr", "zarr": "arrow"}[kind]
    convert(both[kind], tmp_path / "out", other, workers=2)
    assert files_of(tmp_path / "out") == files_of(both[other])


def test_arrays_cut_into_many_objects_are_the_same_graphs(
    both: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("layout", "arrays"):
        monkeypatch.setattr(f"pepland_data.store.zarr.{module}.SHARD", 96)
    monkeypatch.setattr("pepland_data.store.zarr.layout.CHUNK", 32)
    monkeypatch.setattr("pepland_data.store.zarr.read.WINDOW_ROWS", 20)
    convert(both["arrow"], tmp_path / "cut", "zarr")
    store, plain = open_store(tmp_path / "cut"), open_store(both["arrow"])
    assert sum("atom_code/c/" in e.file for e in store.manifest.shards) > 3
    for row in random.Random(0).sample(range(len(store)), len(store)):
        assert store[row] == plain[row]
    convert(tmp_path / "cut", tmp_path / "back", "arrow")
    assert files_of(tmp_path / "back") == files_of(both["arrow"])


@pytest.mark.parametrize("kind", ["arrow", "zarr"])
def test_a_store_without_graphs_goes_both_ways(tmp_path: Path, kind: str) -> None:
    (tmp_path / "in.csv").write_text("smiles,y\nnonsense,1\n")
    build(tmp_path / "in.csv", tmp_path / "arrow")
    convert(tmp_path / "arrow", tmp_path / "zarr", "zarr")
    store = open_store(tmp_path / kind)
    assert (len(store), len(store.rejects), list(store.columns)) == (0, 1, ["y"])
    assert verify(tmp_path / kind).sound
    convert(tmp_path / "zarr", tmp_path / "back", "arrow")
    assert files_of(tmp_path / "back") == files_of(tmp_path / "arrow")


def test_every_flipped_bit_is_found_and_none_ends_the_process(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    generator = random.Random(1)
    files = [p for p in copy.rglob("*") if p.is_file() and "splits" not in p.parts]
    for number in range(2 * len(files)):
        file = files[number % len(files)]
        whole = file.read_bytes()
        place = generator.randrange(len(whole))
        flipped = bytes([whole[place] ^ (1 << generator.randrange(8))])
        file.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        assert not verify(copy).sound, (file, place)
        try:
            store = open_store(copy)
            for graph in store:
                graph.dense()
            list(store.columns.values())
        except StoreDamagedError:
            pass
        file.write_bytes(whole)
    assert verify(copy).sound


def test_a_shortened_or_missing_file_is_damage(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    for entry in open_store(copy).manifest.shards:
        if entry.rows < 2:
            continue
        file, whole = copy / entry.file, (copy / entry.file).read_bytes()
        for remains in (None, whole[:-1]):
            file.unlink()
            if remains is not None:
                file.write_bytes(remains)
            with pytest.raises(StoreDamagedError):
                _read_all(open_store(copy))
            file.write_bytes(whole)
    _read_all(open_store(copy))


def _read_all(store: GraphStore) -> None:
    for s in range(store.num_shards):
        store.shard(s)


def test_an_unfinished_conversion_is_no_store(both: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(both["zarr"], tmp_path / "zarr")
    (tmp_path / "zarr/manifest.json").unlink()
    with pytest.raises(StoreNotFoundError):
        open_store(tmp_path / "zarr")


def test_what_cannot_be_converted_is_one_sentence(both: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="arrow or zarr"):
        convert(both["arrow"], tmp_path / "x", "hdf5")
    for arguments, code, message in (
        (["arrow", "x", "arrow"], 1, b"of format arrow already"),
        (["arrow", "zarr", "zarr"], 1, b"is there already"),
        (["none", "x", "zarr"], 1, b"there is no store"),
        (["arrow", "x", "hdf5"], 2, b"'arrow', 'zarr'"),
    ):
        source, out, kind = arguments
        folder = both["arrow"].parent
        done = cli("convert", str(folder / source), str(folder / out), "--format", kind)
        assert done.returncode == code
        assert message in done.stderr
        assert b"Traceback" not in done.stderr
    assert not (both["arrow"].parent / "x").exists()


def test_without_zarr_there_is_a_sentence(
    both: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    assert len(open_store(both["arrow"]))
    from pepland_data.errors import MissingDependencyError

    with pytest.raises(MissingDependencyError, match="pip install"):
        open_store(both["zarr"])
    with pytest.raises(MissingDependencyError, match="pip install"):
        convert(both["arrow"], tmp_path / "out", "zarr")
    assert not (tmp_path / "out").exists()
