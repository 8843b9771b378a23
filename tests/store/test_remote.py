"""Stores and inputs at URLs, with an S3 API on this machine."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pepland_data import BuildOptions, GraphLoader, build, open_store
from pepland_data.batch.export import export
from pepland_data.builder.convert_format import convert
from pepland_data.builder.exclude import exclude
from pepland_data.builder.merge import merge
from pepland_data.errors import (
    BuildError,
    InputError,
    MissingDependencyError,
    RemoteError,
    StoreDamagedError,
    StoreNotFoundError,
)
from pepland_data.files.remote import RemoteFolder, _plain_error
from pepland_data.store.manifest import manifest_bytes
from pepland_data.store.mirror import Mirror, cache_folder
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import open_split, split_names, write_split
from pepland_data.store.summary import summarize
from pepland_data.store.verify import verify
from tests.helpers.commands import cli
from tests.helpers.loader_checks import same
from tests.helpers.object_store import (
    CREDENTIALS,
    Server,
    bucket_files,
    environment,
    make_bucket,
    s3_server,
)
from tests.helpers.stores import built_store, files_of, sixty_smiles, write_csv

pytest.importorskip("s3fs")
pytest.importorskip("moto")
pytest.importorskip("zarr")
__all__ = ["s3_server"]

COUNT = 30
"""Graphs of the store, in four shards."""


@pytest.fixture(autouse=True)
def _server(s3_server) -> None:
    """Every test uses the server."""


@pytest.fixture
def fresh_cache(tmp_path: Path):
    with environment(PEPLAND_CACHE=str(tmp_path / "cache")):
        yield tmp_path / "cache"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were downloaded since the test began."""
    names: list[str] = []
    plain = RemoteFolder.download

    def download(self, name, path):
        names.append(name)
        time.sleep(0.005)  # another thread has time to start the same file
        plain(self, name, path)

    monkeypatch.setattr(RemoteFolder, "download", download)
    return names


def options(kind: str) -> BuildOptions:
    return BuildOptions(rows_per_shard=8, format=kind)


def remote_files(url: str) -> dict[str, bytes]:
    folder = RemoteFolder(url)
    return {name: folder.read(name) for name in folder.sizes()}


def read_all(store) -> None:
    for s in range(store.num_shards):
        store.shard(s)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("source") / "in.csv", COUNT + 2, (3, 17))


@pytest.fixture(scope="module")
def here(source: Path) -> dict[str, Path]:
    for kind in ("arrow", "zarr"):
        build(source, source.parent / kind, options(kind))
    return {kind: source.parent / kind for kind in ("arrow", "zarr")}


@pytest.fixture(scope="module", params=["arrow", "zarr"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def url(kind: str, source: Path, s3_server) -> str:
    url = f"s3://peptides/module/{kind}"
    build(source, url, options(kind))
    return url


def test_a_build_to_a_url_has_the_bytes_of_a_build_to_a_folder(url, kind, here, source) -> None:
    assert remote_files(url) == files_of(here[kind])
    assert not list((cache_folder() / "builds").iterdir())
    again = build(source, url, options(kind))
    assert again.nothing_to_do
    assert (again.graphs, again.path) == (COUNT, url)


def test_a_remote_store_equals_the_local_one(url, kind, here, fresh_cache) -> None:
    far, near = open_store(url), open_store(here[kind])
    assert far.location == url
    assert list(far.smiles) == list(near.smiles)
    assert all(far[row] == near[row] for row in range(len(near)))
    assert far.rejects == near.rejects
    np.testing.assert_array_equal(far.columns["affinity"], near.columns["affinity"])
    assert summarize(far) == summarize(near) | {"path": url}
    assert pickle.loads(pickle.dumps(far))[7] == near[7]


def test_the_loader_reads_a_remote_store(url, kind, here, fresh_cache) -> None:
    batches = zip(GraphLoader(open_store(url)), GraphLoader(open_store(here[kind])), strict=True)
    assert all(same(batch, expected) for batch, expected in batches)


def test_arrow_is_copied_when_needed_and_zarr_is_not(url, kind, fresh_cache) -> None:
    store = open_store(url)
    shards = [store.path / entry.file for entry in store.manifest.shards]
    assert not any(path.exists() for path in shards)
    assert str(store.path).startswith(str(fresh_cache))
    _ = store[0]
    assert all(path.exists() for path in shards) == (kind == "arrow")
    assert any(path.exists() for path in shards) == (kind == "arrow")


def test_damaged_files_of_a_local_copy_are_fetched_again(url, kind, fresh_cache, fetched) -> None:
    store = open_store(url)
    _ = store[0]
    fetched.clear()
    _ = open_store(url)[0]
    assert not fetched
    entry = store.manifest.files[0]
    (store.path / entry.file).write_bytes(b"?" * entry.bytes)
    _ = open_store(url)[0]
    assert fetched == [entry.file]
    if kind == "arrow":
        (store.path / store.manifest.shards[2].file).unlink()
        _ = open_store(url)[0]
        assert fetched[1:] == [store.manifest.shards[2].file]


def test_an_interrupted_fetch_is_resumed(url, kind, fresh_cache, monkeypatch) -> None:
    plain, left = RemoteFolder.download, [5]

    def download(self, name, path):
        left[0] -= 1
        if left[0] < 0:
            path.write_bytes(b"half")
            raise RemoteError("the network is gone")
        plain(self, name, path)

    monkeypatch.setattr(RemoteFolder, "download", download)
    for _ in range(30):
        left[0] = 5
        try:
            store = open_store(url)
            _ = store[0]
            break
        except RemoteError:
            assert not list(fresh_cache.rglob("*.tmp-*"))
    assert len(store) == COUNT
    assert not [p for p in fresh_cache.rglob("*") if p.name.startswith(".tmp-")]


def test_too_little_free_space_is_one_sentence(url, fresh_cache, monkeypatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(RemoteError, match=r"needs .* MB .* PEPLAND_CACHE"):
        open_store(url)


def test_damage_of_a_remote_file_is_found(url, kind, here, fresh_cache) -> None:
    remote, shards = RemoteFolder(url), open_store(here[kind]).manifest.shards
    short, flipped = (shards[0].file, shards[-1].file)
    whole = {name: remote.read(name) for name in (short, flipped)}
    try:
        remote.write(flipped, whole[flipped][:-1] + bytes([whole[flipped][-1] ^ 4]))
        with pytest.raises(StoreDamagedError, match="checksum"):
            read_all(open_store(url))
        remote.write(short, whole[short][:-1])
        faults = verify(url).findings
        assert [short in faults[0], "expected" in faults[0]] == [True, True]
        assert [flipped in faults[1], "checksum" in faults[1]] == [True, True]
        assert len(faults) == 2
    finally:
        for name, data in whole.items():
            remote.write(name, data)
    assert verify(url, semantic=5).sound


def test_a_manifest_that_leads_out_of_the_cache_is_refused(here, fresh_cache, tmp_path) -> None:
    manifest = open_store(here["arrow"]).manifest
    evil = replace(manifest.files[0], file="../../../evil.arrow")
    remote = RemoteFolder("s3://peptides/evil")
    remote.write("manifest.json", manifest_bytes(replace(manifest, files=(evil,))))
    with pytest.raises(StoreDamagedError, match="a path inside the store"):
        open_store("s3://peptides/evil")


def test_splits_are_written_to_and_read_from_the_url(url, fresh_cache) -> None:
    store = open_store(url)
    assert split_names(store) == []
    write_split(store, make_split(store, seed=3))
    assert split_names(open_store(url)) == ["default"]
    np.testing.assert_array_equal(
        open_split(open_store(url)).assignment, make_split(store, seed=3).assignment
    )
    RemoteFolder(url).delete("splits/default.json")
    assert split_names(open_store(url)) == []


def test_an_input_at_a_url_gives_the_same_store(kind, here, source, tmp_path) -> None:
    RemoteFolder("s3://peptides/inputs").upload(source, "in.csv")
    build("s3://peptides/inputs/in.csv", tmp_path / "out", options(kind))
    assert files_of(tmp_path / "out") == files_of(here[kind])
    assert not list((cache_folder() / "inputs").rglob("*.csv"))
    build(f"file://{source}", f"file://{tmp_path}/file", options(kind))
    assert files_of(tmp_path / "file") == files_of(here[kind])
    assert len(open_store(f"file://{tmp_path}/file")) == COUNT


def test_exclude_reads_and_writes_urls(tmp_path) -> None:
    """The store, a file and another store are at URLs, and the result is."""
    stores = [
        built_store(tmp_path, name, rows) for name, rows in (("a", range(20)), ("b", range(2)))
    ]
    for path in stores:
        merge([path], f"s3://peptides/exclude/{path.name}")
    (tmp_path / "test.csv").write_text(f"smiles\n{sixty_smiles()[4]}\n")
    RemoteFolder("s3://peptides/exclude").upload(tmp_path / "test.csv", "test.csv")
    at = [f"s3://peptides/exclude/{name}" for name in ("a", "b", "test.csv")]
    report = exclude(at[0], at[1:], "s3://peptides/exclude/less")
    assert [(one.name, one.same) for one in report.like] == [("b", 2), ("test.csv", 1)]
    exclude(stores[0], [stores[1], tmp_path / "test.csv"], tmp_path / "less")
    local = open_store(tmp_path / "less")
    assert remote_files(report.path).keys() == files_of(tmp_path / "less").keys()
    assert [g == h for g, h in zip(open_store(report.path), local, strict=True)] == [True] * len(
        local
    )
    with pytest.raises(BuildError, match="is there already"):
        exclude(at[0], at[1:], report.path)


def test_convert_and_merge_write_to_urls(here, tmp_path) -> None:
    convert(here["arrow"], "s3://peptides/converted", "zarr")
    assert remote_files("s3://peptides/converted") == files_of(here["zarr"])
    convert("s3://peptides/converted", tmp_path / "back", "arrow", workers=2)
    assert files_of(tmp_path / "back") == files_of(here["arrow"])
    merge(["s3://peptides/converted", here["arrow"]], "s3://peptides/merged")
    merge([here["arrow"], here["arrow"]], tmp_path / "merged")
    assert remote_files("s3://peptides/merged") == files_of(tmp_path / "merged")
    with pytest.raises(BuildError, match="is there already"):
        convert(here["arrow"], "s3://peptides/converted", "zarr")


def test_an_upload_interrupted_anywhere_is_resumed_to_the_same_bytes(
    kind, here, source, monkeypatch
) -> None:
    url, plain, left = f"s3://peptides/interrupted/{kind}", RemoteFolder.upload, [0]
    sent: list[str] = []

    def upload(self, path, name):
        left[0] -= 1
        if left[0] < 0:
            raise RemoteError("the network is gone")
        plain(self, path, name)
        sent.append(name)

    monkeypatch.setattr(RemoteFolder, "upload", upload)
    rounds = 0
    while True:
        left[0] = {"arrow": 4, "zarr": 25}[kind]
        rounds += 1
        try:
            build(source, url, options(kind))
            break
        except RemoteError:
            with pytest.raises(StoreNotFoundError, match="unfinished build"):
                open_store(url)
    assert rounds > 2
    assert len(sent) == len(set(sent)), "a file was sent twice"
    assert sent[-1] == "manifest.json"
    assert remote_files(url) == files_of(here[kind])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionError("no connection to http://127.0.0.1:40367/a"), "cannot be reached"),
        (OSError("something about s3://bucket/403/a"), "OSError"),
        (OSError("An error occurred (403) when calling HeadObject"), "access is denied"),
        (PermissionError("Forbidden"), "access is denied"),
    ],
)
def test_a_number_in_an_address_is_no_status(error, said) -> None:
    assert said in str(_plain_error(error, "s3://bucket/a"))


def test_a_build_resumes_after_the_server_was_killed_and_lost_its_files(
    source, here, tmp_path, monkeypatch
) -> None:
    server, plain, sent = Server(), RemoteFolder.upload, []
    make_bucket(server.url, "other")
    values = {**CREDENTIALS, "AWS_ENDPOINT_URL": server.url, "PEPLAND_CACHE": str(tmp_path / "c")}

    def upload(self, path, name):
        plain(self, path, name)
        sent.append(name)
        if len(sent) == 3:
            server.kill()

    with environment(**values):
        with monkeypatch.context() as patch:
            patch.setattr(RemoteFolder, "upload", upload)
            with pytest.raises(RemoteError, match="cannot be reached"):
                build(source, "s3://other/data", options("arrow"))
        server = Server(server.port)
        make_bucket(server.url, "other")
        build(source, "s3://other/data", options("arrow"))
        assert bucket_files(server.url, "other", "data/") == files_of(here["arrow"])
    server.kill()


def test_a_url_takes_another_build_after_the_unfinished_one_is_deleted(
    source, tmp_path, monkeypatch
) -> None:
    url = "s3://peptides/again"
    monkeypatch.setattr(RemoteFolder, "upload", lambda *_: (_ for _ in ()).throw(RemoteError("x")))
    with pytest.raises(RemoteError):
        build(source, url, options("arrow"))
    monkeypatch.undo()
    other = write_csv(tmp_path / "other.csv", 12)
    with pytest.raises(BuildError, match="input content"):
        build(other, url, options("arrow"))
    RemoteFolder(url).delete(".build/plan.json")
    build(other, url, options("arrow"))
    assert len(open_store(url)) == 12


def test_errors_about_urls_are_one_sentence(source, tmp_path) -> None:
    RemoteFolder("s3://peptides/full").write("notes.txt", b"mine")
    RemoteFolder("s3://peptides/begun").write(".build/plan.json", b"{}")
    for arguments, message in (
        (["info", "s3://no-such-bucket/data"], b"no such bucket"),
        (["info", "s3://peptides/nothing"], b"there is no store at s3://peptides/nothing"),
        (["info", "s3://peptides/full"], b"holds no manifest.json"),
        (["info", "s3://peptides/begun"], b"unfinished build"),
        (["build", str(source), "--out", "s3://no-such-bucket/data"], b"bucket"),
        (["build", str(source), "--out", "s3://peptides/full"], b"holds other files"),
        (["build", str(source), "--out", "s3://peptides/begun"], b"another recipe"),
        (["build", "s3://peptides/none.csv", "--out", str(tmp_path / "o")], b"there is no s3://"),
        (["build", "-", "--out", "s3://peptides/stdin"], b"reads a file"),
        (["build", str(source), "--append", "--out", "s3://peptides/a"], b"append exchanges"),
        (["info", "foo://bar/baz"], b"unknown scheme 'foo'"),
        (["verify", "s3://peptides/nothing"], b"there is no store"),
    ):
        done = cli(*arguments)
        assert done.returncode == 1, (arguments, done)
        assert message in done.stderr, (arguments, done.stderr)
        assert done.stderr.strip().count(b"\n") == 0, done.stderr


def test_missing_credentials_are_one_sentence() -> None:
    nothing = {n: None for n in os.environ if n.startswith("AWS_") and n != "AWS_ENDPOINT_URL"}
    nothing |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
    with environment(**nothing):
        done = cli("info", "s3://peptides/module/arrow")
    assert done.returncode == 1
    assert b"no credentials were found" in done.stderr


def test_export_to_a_url_is_refused() -> None:
    with pytest.raises(InputError, match="writes to this machine"):
        export(None, "parquet", "s3://peptides/x")  # type: ignore[arg-type]


def test_a_missing_package_is_named(monkeypatch) -> None:
    try:
        import gcsfs  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependencyError, match="pip install gcsfs"):
            open_store("gs://peptides/data")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingDependencyError, match=r"pepland-data\[remote\]"):
        open_store("s3://peptides/data")


def test_ranks_that_open_a_store_together_fetch_it_once(url, fresh_cache, fetched) -> None:
    def read() -> None:
        for graph in open_store(url):
            assert graph.num_atoms

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched
    assert len(fetched) == len(set(fetched))
    assert Mirror(RemoteFolder(url)).folder.is_dir()
