"""Whatever stands in the files of a store, with right checksums: one sentence, and no traceback."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("rdkit")
pytest.importorskip("zarr")

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pepland_cli.data_commands.info import text
from pepland_data import BuildOptions, GraphLoader, build, open_store
from pepland_data.batch.export import export
from pepland_data.builder.convert_format import convert
from pepland_data.builder.merge import merge
from pepland_data.errors import BuildError, StoreDamagedError, StoreVersionError
from pepland_data.loader.tiers.choice import choose_tier
from pepland_data.store import manifest as manifest_module
from pepland_data.store.manifest import read_manifest, with_checksum
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import open_split, split_names, write_split
from pepland_data.store.summary import summarize
from pepland_data.store.verify import verify
from pepland_data.store.zarr.layout import ArrayEncoder, ArraySpec
from tests.helpers.commands import cli
from tests.helpers.json_mutation import NESTED, mutated
from tests.helpers.stores import PEPTIDES

Entry = Callable[[Path, Path], object]
EXAMPLES = int(os.environ.get("FORGED_EXAMPLES", "16"))
"""Documents per test; a person who hunts for more sets the variable."""
FUZZ = settings(
    deadline=None, max_examples=EXAMPLES, derandomize=True,
    phases=[Phase.generate] if "FORGED_EXAMPLES" in os.environ else list(Phase),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


def read_everything(folder: Path, out: Path) -> None:
    store = open_store(folder)
    assert list(store) is not None
    _ = list(store.smiles), store.row_id, store.rejects, dict(store.columns)


def load(folder: Path, out: Path) -> None:
    for tier in ("host", "auto"):
        list(GraphLoader(open_store(folder), 16, tier=tier))


def info(folder: Path, out: Path) -> None:
    summary = summarize(open_store(folder))
    json.dumps(summary)
    text(summary)


def convert_it(folder: Path, out: Path) -> None:
    kind = "zarr" if read_manifest(folder).kind == "arrow" else "arrow"
    convert(folder, out, kind)
    assert verify(out).sound or not verify(folder).sound


def split_it(folder: Path, out: Path) -> None:
    store = open_store(folder)
    for name in split_names(store):
        open_split(store, name).counts()
    write_split(store, make_split(store, "random", name="again"))


ENTRIES: dict[str, Entry] = {
    "open": read_everything,
    "info": info,
    "load": load,
    "tier": lambda folder, out: choose_tier([open_store(folder)], "auto", None, 10**9),
    "split": split_it,
    "convert": convert_it,
    "merge": lambda folder, out: merge([folder, folder], out, link=True),
    "export": lambda folder, out: export(open_store(folder), "parquet", out),
}
COMPARED = {"convert", "merge"}
"""Entries that compare values of manifests, and refuse those that do not fit together."""


def check_entries(folder: Path) -> None:
    """Assert that every entry works, or raises one sentence."""
    out, said = folder.parent / "out", list[str]()
    for name, entry in ENTRIES.items():
        shutil.rmtree(out, ignore_errors=True)
        allowed = (StoreDamagedError, StoreVersionError)
        if name in COMPARED:
            allowed += (BuildError,)
        try:
            entry(folder, out)
        except allowed as error:
            said.append(str(error))
    said += verify(folder, semantic=2).findings
    assert [one for one in said if len(one.splitlines()) != 1 or len(one) > 1000] == []


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A store of two shards as Arrow and as Zarr, with columns of each encoding, and a split."""
    folder = tmp_path_factory.mktemp("tiny")
    rows = range(12)
    table = pa.table(
        {
            "smiles": ["nonsense" if i == 5 else PEPTIDES[i % 4] for i in rows],
            "affinity": [None if i == 3 else i / 3 for i in rows],
            "c": [None if i == 3 else "ß" * i for i in rows],
            "tags": [["a"] * (i % 3) for i in rows],
        }
    )
    pq.write_table(table, folder / "in.parquet")
    build(folder / "in.parquet", folder / "arrow", BuildOptions(rows_per_shard=7))
    store = open_store(folder / "arrow")
    write_split(store, make_split(store))
    convert(folder / "arrow", folder / "zarr", "zarr")
    return {"arrow": folder / "arrow", "zarr": folder / "zarr"}


def copy_of(store: Path, folder: Path) -> Path:
    """Return a copy that shares its files; a test replaces them and never writes into them."""
    shutil.copytree(store, folder / "store", copy_function=os.link)
    return folder / "store"


@pytest.fixture(params=["arrow", "zarr"])
def forged(request: pytest.FixtureRequest, tiny: dict[str, Path], tmp_path: Path) -> Path:
    return copy_of(tiny[request.param], tmp_path)


@contextmanager
def restored(*paths: Path) -> Iterator[None]:
    """Put back the content of some files at the end, for the next example."""
    before = [path.read_bytes() for path in paths]
    try:
        yield
    finally:
        for path, data in zip(paths, before, strict=True):
            replace_file(path, data)


def replace_file(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def body_of(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(path.read_bytes())
    body.pop("checksum", None)
    return body


def forge(folder: Path, body: Any) -> None:
    """Write a manifest with a right checksum."""
    data = with_checksum(body) if isinstance(body, dict) else json.dumps(body).encode()
    replace_file(folder / "manifest.json", data)


def put(folder: Path, file: str, data: bytes) -> None:
    """Replace a file of a store, with its right size and checksum in the manifest."""
    replace_file(folder / file, data)
    body = body_of(folder / "manifest.json")
    for entry in (e for e in [*body["files"], *body["shards"]] if e["file"] == file):
        entry |= {"bytes": len(data), "sha256": sha256(data).hexdigest()}
    forge(folder, body)


@FUZZ
@given(data=st.data())
def test_any_manifest_is_read_or_refused_in_a_sentence(forged: Path, data: st.DataObject) -> None:
    path = forged / "manifest.json"
    with restored(path):
        forge(forged, data.draw(mutated(body_of(path))))
        check_entries(forged)


@FUZZ
@given(data=st.data())
def test_any_split_is_read_or_refused_in_a_sentence(
    tiny: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = copy_of(tiny["arrow"], tmp_path_factory.mktemp("split"))
    path = folder / "splits/default.json"
    body = data.draw(mutated(body_of(path)))
    replace_file(path, with_checksum(body) if isinstance(body, dict) else b"[]")
    check_entries(folder)


@settings(FUZZ, max_examples=EXAMPLES // 2)
@given(data=st.data())
def test_any_zarr_metadata_is_read_or_refused_in_a_sentence(
    tiny: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = copy_of(tiny["zarr"], tmp_path_factory.mktemp("zarr"))
    files = [e["file"] for e in body_of(folder / "manifest.json")["files"]]
    file = data.draw(st.sampled_from([f for f in files if f.endswith("zarr.json")]))
    put(folder, file, json.dumps(data.draw(mutated(body_of(folder / file)))).encode())
    check_entries(folder)


@pytest.mark.parametrize("value", [0, 1, 2**31 - 1])
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("shard_rows", "int64"), ("num_atoms", "uint32"), ("smiles_length", "uint32"),
        ("columns/tags/length", "int64"), ("columns/c/length", "uint32"),
        ("columns/affinity/valid", "bool"), ("fragment_smiles_length", "uint32"),
        ("bond_end", "uint8"), ("row_id", "int64"), ("columns/tags/bytes", "uint8"),
        ("fragment_smiles", "uint8"), ("columns/affinity/values", "float64"),
    ],
)  # fmt: skip
def test_zarr_arrays_of_other_numbers_are_read_or_refused_in_a_sentence(
    tiny: dict[str, Path], tmp_path: Path, name: str, dtype: str, value: int
) -> None:
    folder = copy_of(tiny["zarr"], tmp_path)
    (count,) = json.loads((folder / "graphs.zarr" / name / "zarr.json").read_bytes())["shape"]
    encoder = ArrayEncoder(ArraySpec(name, (count,), dtype, ("x",)))
    values = np.full(count, value).astype(dtype)
    values[: count // 2] = -values[: count // 2] if dtype == "int64" else 0
    put(folder, f"graphs.zarr/{name}/c/0", encoder.encode(0, values))
    check_entries(folder)


TYPES = [pa.int32(), pa.float32(), pa.bool_(), pa.string(), pa.null(), pa.binary(), pa.uint64()]


def changed_table(table: Any, change: str, place: int, kind: Any) -> Any:
    """Return an Arrow table with one column changed."""
    name = table.schema.names[place]
    if change == "drop":
        return table.drop_columns([name])
    if change == "rename":
        names = ["other" if n == name else n for n in table.schema.names]
        return table.rename_columns(names)
    if change == "double":
        return table.append_column(name, table[name])
    if change == "cut":
        return table.slice(1)
    return table.set_column(place, name, pa.nulls(len(table), kind))


@FUZZ
@given(
    file=st.sampled_from([
        "tables/atom.arrow", "tables/bond.arrow", "tables/fragment.arrow", "sizes.arrow",
        "shards/000001.arrow", "rejects.parquet",
    ]),
    change=st.sampled_from(["drop", "rename", "double", "cut", "nulls"]),
    place=st.integers(0, 20),
    kind=st.sampled_from(TYPES),
)  # fmt: skip
def test_arrow_files_with_other_columns_are_refused_in_a_sentence(
    tiny: dict[str, Path], tmp_path_factory: pytest.TempPathFactory,
    file: str, change: str, place: int, kind: Any,
) -> None:  # fmt: skip
    folder = copy_of(tiny["arrow"], tmp_path_factory.mktemp("columns"))
    sink, parquet = pa.BufferOutputStream(), file.endswith(".parquet")
    table = pq.read_table(folder / file) if parquet else pa.ipc.open_file(folder / file).read_all()
    table = changed_table(table, change, place % table.num_columns, kind).combine_chunks()
    if parquet:
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    put(folder, file, sink.getvalue().to_pybytes())
    check_entries(folder)
    assert not verify(folder).sound


@pytest.mark.parametrize("listed", ["files", "shards"])
@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../evil/x.arrow", "shards/../../x", "a\\b", "a\0b", "", ".", "..", "a//b",
     "a/", "./a", "manifest.json", "splits/default.json", ".build/plan.json", ".lock", "\ud800",
     "a\n"],
)  # fmt: skip
def test_a_name_that_is_no_file_of_the_store_is_refused(
    forged: Path, listed: str, name: str
) -> None:
    body = body_of(forged / "manifest.json")
    body[listed][0]["file"] = name
    forge(forged, body)
    with pytest.raises(StoreDamagedError, match="a path inside the store"):
        open_store(forged)
    (finding,) = verify(forged).findings
    assert "a path inside the store" in finding


def test_a_file_that_is_listed_twice_is_refused(forged: Path) -> None:
    body = body_of(forged / "manifest.json")
    body["shards"].append(body["files"][0])
    forge(forged, body)
    with pytest.raises(StoreDamagedError, match="twice"):
        open_store(forged)


def first_shard(folder: Path) -> Path:
    return folder / str(body_of(folder / "manifest.json")["shards"][0]["file"])


def link_file(path: Path, away: Path) -> None:
    shutil.move(path, away / "moved")
    path.symlink_to(away / "moved")


def link_folder(path: Path, away: Path) -> None:
    shutil.move(path.parent, away / "moved")
    path.parent.symlink_to(away / "moved")


@pytest.mark.parametrize("link", [link_file, link_folder])
def test_a_link_that_leads_out_of_the_store_is_refused(
    forged: Path, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    (tmp_path / "away").mkdir()
    link(first_shard(forged), tmp_path / "away")
    with pytest.raises(StoreDamagedError, match="outside the store; put a copy in its place"):
        read_everything(forged, tmp_path)
    assert "outside the store" in verify(forged).findings[0]


def test_a_split_that_is_a_link_to_another_file_is_not_copied(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    folder = copy_of(tiny["arrow"], tmp_path)
    (tmp_path / "secret.json").write_bytes((folder / "splits/default.json").read_bytes())
    (folder / "splits/more.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(StoreDamagedError, match="outside the store"):
        convert(folder, tmp_path / "out", "zarr")
    assert not (tmp_path / "out").exists()


def test_links_to_the_store_and_inside_it_are_followed(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    folder = copy_of(tiny["arrow"], tmp_path)
    (folder / "data").mkdir()
    shutil.move(folder / "shards/000000.arrow", folder / "data/x.arrow")
    (folder / "shards/000000.arrow").symlink_to("../data/x.arrow")
    (tmp_path / "link").symlink_to(folder)
    read_everything(tmp_path / "link", tmp_path)
    merge([tmp_path / "link"], tmp_path / "merged", link=True)
    assert verify(tmp_path / "link").sound
    assert verify(tmp_path / "merged").sound


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: os.symlink("/dev/zero", p)])
def test_what_is_no_regular_file_is_refused_at_once(
    forged: Path, make: Callable[[Path], None]
) -> None:
    body = body_of(forged / "manifest.json")
    for listed in ("shards", "files"):
        path = forged / body[listed][0]["file"]
        path.unlink()
        make(path)
        with pytest.raises(StoreDamagedError, match="no regular file"):
            read_everything(forged, forged)
        assert any("no regular file" in finding for finding in verify(forged).findings)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is damaged"),
        (b"\xff\xfe\x00", "is damaged"),
        (b"[1]", "no JSON object"),
        (b"{}", "checksum"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'{"counts": NaN}', "NaN is no JSON number"),
        (b'{"counts": ' + b"9" * 5000 + b"}", "is damaged"),
    ],
)
def test_bytes_that_are_no_manifest_are_refused(forged: Path, data: bytes, why: str) -> None:
    replace_file(forged / "manifest.json", data)
    with pytest.raises(StoreDamagedError, match=why) as caught:
        open_store(forged)
    assert len(str(caught.value).splitlines()) == 1


def test_deep_nesting_with_a_right_checksum_is_refused(forged: Path) -> None:
    forge(forged, {**body_of(forged / "manifest.json"), "later": NESTED})
    assert len(open_store(forged)) == 11
    data = (forged / "manifest.json").read_bytes().replace(b"0", b"[" * 50_000, 1)
    replace_file(forged / "manifest.json", data)
    with pytest.raises(StoreDamagedError):
        open_store(forged)


def test_a_manifest_that_is_too_large_is_not_read(
    forged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_module, "MOST_BYTES", 1000)
    with pytest.raises(StoreDamagedError, match="more than 1,000 bytes"):
        open_store(forged)


def test_every_flipped_byte_of_a_manifest_is_found(forged: Path) -> None:
    data = (forged / "manifest.json").read_bytes()
    for place in range(0, len(data), 7):
        replace_file(
            forged / "manifest.json", data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        )
        with pytest.raises((StoreDamagedError, StoreVersionError)):
            read_manifest(forged)
    spaces = data.replace(b"\n", b" ", 1)
    replace_file(forged / "manifest.json", spaces)
    with pytest.raises(StoreDamagedError, match="white space"):
        read_manifest(forged)


@pytest.mark.parametrize("command", ["info", "verify", "tier", "split"])
def test_commands_answer_to_a_forged_store_with_one_line(
    tiny: dict[str, Path], tmp_path: Path, command: str
) -> None:
    folder = copy_of(tiny["arrow"], tmp_path)
    forge(folder, {**body_of(folder / "manifest.json"), "counts": "x"})
    result = cli(command, str(folder))
    assert result.returncode == (3 if command == "verify" else 1)
    said = (result.stdout + result.stderr).decode().splitlines()
    assert any("counts is 'x', expected an object" in line for line in said)
    assert not any("Traceback" in line for line in said)
