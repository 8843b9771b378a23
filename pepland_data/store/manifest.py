"""The manifest of a store. It is written last, so a folder with a manifest is a finished store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from pepland_data.errors import StoreDamagedError, StoreNotFoundError, StoreVersionError
from pepland_data.files.atomic import file_sha256, write_atomic_bytes

FORMAT = "pepland-data"
FORMAT_VERSION = 1
KINDS = ("arrow", "zarr")
MANIFEST_FILE = "manifest.json"
BUILD_FOLDER = ".build"


@dataclass(frozen=True)
class FileEntry:
    """A file of the store, with its size and checksum."""

    file: str
    """Path below the store, with forward slashes."""
    rows: int
    """Rows in the file."""
    bytes: int
    """Size of the file."""
    sha256: str
    """Checksum of the file, hex."""

    @classmethod
    def of(cls, folder: Path, file: str, rows: int) -> FileEntry:
        """Return the entry of a file that was just written."""
        path = folder / file
        return cls(file, rows, path.stat().st_size, file_sha256(path))


@dataclass(frozen=True)
class Manifest:
    """All information about a store except its rows."""

    kind: str
    """``arrow`` or ``zarr``."""
    versions: Mapping[str, str]
    """Versions of RDKit and of the featurizer that made the graphs."""
    options: Mapping[str, Any]
    """Options that decide which graph a text becomes."""
    input: Mapping[str, Any]
    """Name, rows and SHA-256 of the input."""
    counts: Mapping[str, int]
    """Numbers of rows, graphs, rejects, atoms, fragments, bonds and reactions."""
    columns: tuple[str, ...]
    """Names of the pass-through columns."""
    dtypes: Mapping[str, str]
    """Dtype of each code and index column, the same in all shards."""
    files: tuple[FileEntry, ...]
    """Tables, sizes and rejects."""
    shards: tuple[FileEntry, ...]
    """The shards in row order."""

    def entries(self) -> tuple[FileEntry, ...]:
        """Return all files of the store except the manifest."""
        return (*self.files, *self.shards)


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the JSON text, with format, version and its own checksum."""
    body = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(manifest)}
    return with_checksum(body)


def with_checksum(body: Mapping[str, Any]) -> bytes:
    """Return a JSON document with the SHA-256 of its other fields as ``checksum``."""
    return json.dumps({**body, "checksum": _checksum(body)}, indent=1, sort_keys=True).encode()


def _checksum(body: Mapping[str, Any]) -> str:
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, which makes the folder a finished store."""
    write_atomic_bytes(folder / MANIFEST_FILE, manifest_bytes(manifest))


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest.

    Raises:
        StoreNotFoundError: there is no folder, or no finished store in it.
        StoreVersionError: this release does not read the format.
        StoreDamagedError: the manifest is damaged.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise StoreNotFoundError(_why_no_manifest(folder))
    data = path.read_bytes()
    try:
        body = json.loads(data)
        found = (body.pop("format"), body.pop("format_version"))
        checksum = body.pop("checksum")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise _damaged(path) from error
    whole = checksum == _checksum({"format": found[0], "format_version": found[1], **body})
    if whole and found[0] == FORMAT and found[1] != FORMAT_VERSION:
        raise StoreVersionError(
            f"{folder} has store format {found[1]}, this release reads format {FORMAT_VERSION}; "
            "install the release that wrote it, or build the store again"
        )
    names = {f.name for f in fields(Manifest)}
    if not whole or found[0] != FORMAT or set(body) != names:
        raise _damaged(path)
    lists = {k: tuple(FileEntry(**e) for e in body[k]) for k in ("files", "shards")}
    manifest = Manifest(**{**body, **lists, "columns": tuple(body["columns"])})
    if manifest_bytes(manifest) != data:
        raise _damaged(path)
    return manifest


def _damaged(path: Path) -> StoreDamagedError:
    return StoreDamagedError(
        f"{path} is damaged (its checksum does not match); copy the store again, "
        "or delete the file and repeat the build"
    )


def _why_no_manifest(folder: Path) -> str:
    if not folder.exists():
        return f"there is no store at {folder}; make one: `pepland-data build INPUT --out {folder}`"
    if not folder.is_dir():
        return f"{folder} is a file, not a store; a store is a folder with a {MANIFEST_FILE}"
    if (folder / BUILD_FOLDER).is_dir():
        return f"{folder} holds an unfinished build; run the same `pepland-data build` to finish it"
    return f"{folder} holds no {MANIFEST_FILE}, so it is not a store; check the path"
