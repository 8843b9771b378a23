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
from pepland_data.files.json_forms import parse_json
from pepland_data.store.manifest_form import BUILD_FOLDER as BUILD_FOLDER
from pepland_data.store.manifest_form import COUNTS, FORMAT, HEAD, MANIFEST, manifest_contradiction
from pepland_data.store.manifest_form import MANIFEST_FILE as MANIFEST_FILE

FORMAT_VERSION = 1
KINDS = ("arrow", "zarr")
MOST_BYTES = 2**30
"""Largest manifest that is read: some five million shards."""


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

    def lists(self, file: str) -> bool:
        """Return whether the store has one of the small files, such as ``notes.parquet``."""
        return any(entry.file == file for entry in self.files)


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the JSON text, with format, version and its own checksum."""
    body = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(manifest)}
    return with_checksum(body)


def with_checksum(body: Mapping[str, Any]) -> bytes:
    """Return a JSON document with the SHA-256 of its other fields as ``checksum``."""
    return json.dumps({**body, "checksum": _checksum(body)}, indent=1, sort_keys=True).encode()


def without_checksum(data: bytes) -> tuple[dict[str, Any], bool]:
    """Return the other fields of a document, and whether its bytes are those that were written.

    The bytes are compared too, because the checksum covers neither white space nor a name that
    stands there twice.

    Raises:
        ValueError: the document is no JSON object with a right checksum; one line.
    """
    body = parse_json(data)
    if not isinstance(body, dict):
        raise ValueError("it holds no JSON object")
    found = body.pop("checksum", None)
    try:
        if found != _checksum(body):
            raise ValueError("its checksum does not match")
        return body, with_checksum(body) == data
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


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
        StoreDamagedError: the manifest is damaged, or says what no store can be.
    """
    return parse_manifest(manifest_data(folder), folder)


def manifest_data(folder: Path) -> bytes:
    """Return the bytes of the manifest of a store.

    Raises:
        StoreNotFoundError: there is no folder, or no finished store in it.
        StoreDamagedError: the file is larger than a manifest can be.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise StoreNotFoundError(_why_no_manifest(folder))
    if path.stat().st_size > MOST_BYTES:
        raise _damaged(path, f"it has more than {MOST_BYTES:,} bytes")
    return path.read_bytes()


def parse_manifest(data: bytes, folder: Path) -> Manifest:
    """Return the manifest with these bytes, whoever wrote them; errors as for `read_manifest`.

    Unknown names are ignored: a later release may add some.
    """
    path = folder / MANIFEST_FILE
    try:
        body, whole = without_checksum(data)
        HEAD(body)
        _refuse_other_format(body, folder)
        MANIFEST(body)
        if not whole:
            raise ValueError("its checksum does not match its white space")
        if contradiction := manifest_contradiction(body):
            raise ValueError(contradiction)
    except StoreVersionError:
        raise
    except ValueError as error:
        raise _damaged(path, error) from error
    return _manifest(body)


def _manifest(body: dict[str, Any]) -> Manifest:
    """Return the known fields of a checked document."""
    known = {field.name: body[field.name] for field in fields(Manifest)}
    known["counts"] = {name: n for name, n in body["counts"].items() if name in COUNTS}
    for name in ("files", "shards"):
        entries = (FileEntry(e["file"], e["rows"], e["bytes"], e["sha256"]) for e in body[name])
        known[name] = tuple(entries)
    return Manifest(**{**known, "columns": tuple(body["columns"])})


def _refuse_other_format(body: dict[str, Any], folder: Path) -> None:
    found = body["format_version"]
    if found != FORMAT_VERSION:
        raise StoreVersionError(
            f"{folder} has store format {found}, this release reads format {FORMAT_VERSION}; "
            "install the release that wrote it, or build the store again"
        )
    if body["kind"] not in KINDS:
        raise StoreVersionError(
            f"{folder} is a store of kind {body['kind'][:40]!r}, this release reads "
            f"{' and '.join(KINDS)}; install the release that wrote it"
        )


def _damaged(path: Path, why: object) -> StoreDamagedError:
    return StoreDamagedError(
        f"{path} is damaged ({why}); copy the store again, or delete the file and repeat the build"
    )


def _why_no_manifest(folder: Path) -> str:
    if not folder.exists():
        return f"there is no store at {folder}; make one: `pepland-data build INPUT --out {folder}`"
    if not folder.is_dir():
        return f"{folder} is a file, not a store; a store is a folder with a {MANIFEST_FILE}"
    return no_manifest(folder, (folder / BUILD_FOLDER).is_dir())


def no_manifest(where: object, unfinished: bool) -> str:
    """Return the message for a folder or URL without a manifest."""
    if unfinished:
        return f"{where} holds an unfinished build; run the same `pepland-data build` to finish it"
    return f"{where} holds no {MANIFEST_FILE}, so it is not a store; check the path"
