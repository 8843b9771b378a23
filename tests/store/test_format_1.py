"""Stores that an earlier release wrote, kept as files: they are read for ever.

The files in ``format-1`` never change. The values beside them were written by the same release.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pepland_data import GraphLoader, GraphStore, open_store
from pepland_data.builder.append import append
from pepland_data.builder.convert_format import convert
from pepland_data.builder.merge import merge
from pepland_data.store.manifest import read_manifest, with_checksum
from pepland_data.store.row_files import read_rows
from pepland_data.store.split.recorded import open_split, split_names
from pepland_data.store.verify import verify
from tests.helpers.format_reader import read_graphs
from tests.helpers.stores import files_of

KEPT = Path(__file__).parent / "format-1"
EXPECTED: dict[str, Any] = json.loads((KEPT / "expected.json").read_bytes())


@pytest.fixture(scope="module", params=["arrow", "zarr"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kept store in one format; tests do not change it."""
    folder = tmp_path_factory.mktemp("kept")
    if request.param == "zarr":
        pytest.importorskip("zarr")
        with tarfile.open(KEPT / "zarr.tar.xz") as tar:
            tar.extractall(folder, filter="data")
        return folder / "zarr"
    return Path(shutil.copytree(KEPT / "arrow", folder / "arrow"))


def digests(arrays: dict[str, Any]) -> dict[str, str]:
    found = {}
    for name, values in arrays.items():
        array = np.ascontiguousarray(values)
        content = sha256(array.tobytes()).hexdigest()[:16]
        found[name] = f"{array.dtype} {list(array.shape)} {content}"
    return found


def values_of(store: GraphStore) -> dict[str, Any]:
    """Return what the file ``expected.json`` holds, from an opened store."""
    return {
        "row_id": store.row_id.tolist(),
        "smiles": list(store.smiles),
        "columns": {k: [str(v) for v in values.tolist()] for k, values in store.columns.items()},
        "rejects": store.rejects,
        "notes": read_rows(store.path, store.manifest, "notes.parquet").to_pylist(),
        "split": open_split(store).assignment.tolist(),
        "graphs": [digests(graph.dense()) for graph in store],
    }


def test_every_value_of_a_kept_store_is_read(kept: Path) -> None:
    store = open_store(kept)
    expected = {name: value for name, value in EXPECTED.items() if name != "identity"}
    assert values_of(store) == expected
    assert store.identity == EXPECTED["identity"][store.manifest.kind]


def test_a_kept_store_is_sound_and_its_graphs_are_made_again(kept: Path) -> None:
    pytest.importorskip("rdkit")
    report = verify(kept, semantic=100)
    assert report.findings == ()
    assert report.recomputed == len(EXPECTED["smiles"])


def test_the_loader_reads_a_kept_store(kept: Path) -> None:
    (batch,) = GraphLoader(open_store(kept), 10, shuffle=False)
    assert batch.num_graphs == len(EXPECTED["smiles"])


def test_a_reader_written_from_the_page_reads_a_kept_store(kept: Path) -> None:
    graphs = read_graphs(kept)
    assert [graph["smiles"] for graph in graphs] == EXPECTED["smiles"]
    for graph, expected in zip(graphs, EXPECTED["graphs"], strict=True):
        found = digests({name: graph[name] for name in ("atom_x", "atom_label")})
        assert found.items() <= expected.items()


def with_later_names(folder: Path) -> dict[str, Any]:
    """Add the names of a later release wherever it may; return the manifest it might write."""
    path = folder / "manifest.json"
    body = json.loads(path.read_bytes())
    body.pop("checksum")
    body |= {"later": {"any": ["thing", None]}, "about": "a later release"}
    for entry in [*body["files"], *body["shards"]]:
        entry["crc32c"] = "later"
    body["counts"]["later"] = 3
    path.write_bytes(with_checksum(body))
    split = folder / "splits/default.json"
    recorded = json.loads(split.read_bytes())
    recorded.pop("checksum")
    split.write_bytes(with_checksum({**recorded, "later": 1}))
    return body


def test_names_that_a_later_release_adds_are_ignored(kept: Path, tmp_path: Path) -> None:
    later = Path(shutil.copytree(kept, tmp_path / "later"))
    with_later_names(later)
    store = open_store(later)
    assert values_of(store) == values_of(open_store(kept))
    assert store.identity == sha256((later / "manifest.json").read_bytes()).hexdigest()
    assert verify(later).findings == ()
    assert split_names(store) == ["default"]


def test_a_flipped_bit_among_names_of_a_later_release_is_found(kept: Path, tmp_path: Path) -> None:
    later = Path(shutil.copytree(kept, tmp_path / "later"))
    with_later_names(later)
    path = later / "manifest.json"
    for old, new in (
        (b"thing", b"thinh"),
        (b'"later": {\n', b'"later":  {'),
        (b"a later", b"b later"),
    ):
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))
        assert "checksum does not match" in verify(later).findings[0]
        path.write_bytes(data)


def test_a_remote_store_of_a_later_release_is_read(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("PEPLAND_CACHE", str(tmp_path / "cache"))
    later = Path(shutil.copytree(kept, tmp_path / "later"))
    with_later_names(later)
    url = f"memory://later-{tmp_path.name}"
    fsspec.filesystem("memory").put(str(later), url, recursive=True)
    store = open_store(url)
    assert values_of(store) == values_of(open_store(kept))
    assert store.identity == open_store(later).identity


def test_convert_merge_and_append_drop_names_of_a_later_release(kept: Path, tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    pytest.importorskip("zarr")
    later = Path(shutil.copytree(kept, tmp_path / "later"))
    with_later_names(later)
    kind = read_manifest(kept).kind
    other = "zarr" if kind == "arrow" else "arrow"
    convert(later, tmp_path / "other", other)
    convert(tmp_path / "other", tmp_path / "same", kind)
    merge([later, later], tmp_path / "merged")
    made = [tmp_path / name for name in ("other", "same", "merged")]
    if kind == "arrow":
        (tmp_path / "more.csv").write_text("smiles\nCCC\n")
        append(tmp_path / "more.csv", later)
        made.append(later)
    for folder in made:
        text = (folder / "manifest.json").read_text()
        assert '"about"' not in text
        assert "crc32c" not in text
        assert "later" not in text
        assert verify(folder).findings == ()


def test_an_arrow_store_made_now_of_a_kept_zarr_store_has_the_bytes_that_were_kept(
    kept: Path, tmp_path: Path
) -> None:
    pytest.importorskip("zarr")
    if read_manifest(kept).kind == "zarr":
        convert(kept, tmp_path / "arrow", "arrow")
        assert files_of(tmp_path / "arrow") == files_of(KEPT / "arrow")
    else:
        merge([kept], tmp_path / "merged", reuse=False)
        shards = [name for name in files_of(kept) if name.startswith("shards/")]
        assert all(files_of(tmp_path / "merged")[name] == files_of(kept)[name] for name in shards)
