"""Is a store what was written: every checksum, every index, and graphs against their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pepland_data.errors import StoreError
from pepland_data.files.atomic import file_sha256
from pepland_data.files.remote import RemoteFolder, is_remote, local_path
from pepland_data.store.consistency import structure_faults
from pepland_data.store.featurize_again import semantic_faults
from pepland_data.store.graph_store import open_store
from pepland_data.store.manifest import FileEntry, read_manifest
from pepland_data.store.mirror import Mirror
from pepland_data.store.split.recorded import split_faults, split_names


@dataclass(frozen=True)
class VerifyReport:
    """What was checked and what is wrong."""

    path: str
    files: int
    """Files whose checksum was compared: those of the manifest, and the recorded splits."""
    graphs: int
    """Graphs whose offsets, codes and indices were checked."""
    recomputed: int
    """Graphs compared with what their text gives now."""
    findings: tuple[str, ...]
    """One sentence per fault; empty for a sound store."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(path: str | Path, semantic: int = 0, seed: int = 0) -> VerifyReport:
    """Check a store; damage is reported, never raised.

    Args:
        path: folder of the store, or its URL, of which every file is read where it is.
        semantic: how many graphs to make again from their text and compare.
        seed: chooses them.

    Raises:
        StoreNotFoundError: there is no finished store.
    """
    remote = RemoteFolder(str(path)) if is_remote(path) else None
    try:
        folder = Mirror(remote).folder if remote else local_path(path)
        entries = read_manifest(folder).entries()
    except StoreError as error:
        if isinstance(error, FileNotFoundError):
            raise
        return VerifyReport(str(path), 0, 0, 0, (str(error),))
    findings = _remote_faults(remote, entries) if remote else _faults(folder, entries)
    if findings:
        return VerifyReport(str(path), len(entries), 0, 0, tuple(findings))
    try:
        store = open_store(path)
        names, findings = split_names(store), [*structure_faults(store), *split_faults(store)]
        recomputed, faults = semantic_faults(store, semantic, seed) if semantic else (0, [])
    except StoreError as error:
        return VerifyReport(str(path), len(entries), 0, 0, (str(error),))
    files = len(entries) + len(names)
    return VerifyReport(str(path), files, len(store), recomputed, (*findings, *faults))


def _faults(folder: Path, entries: Sequence[FileEntry]) -> list[str]:
    found = (_file_fault(folder / e.file, e.bytes, e.sha256) for e in entries)
    return [text for text in found if text]


def _remote_faults(remote: RemoteFolder, entries: Sequence[FileEntry]) -> list[str]:
    """Compare what is there now, whatever a mirror holds."""
    sizes, found = remote.sizes(), []
    for entry in entries:
        where, size = f"{remote.url}/{entry.file}", sizes.get(entry.file)
        if size != entry.bytes:
            found.append(f"{where}: {size or 'no'} bytes, expected {entry.bytes}")
        elif sha256(remote.read(entry.file)).hexdigest() != entry.sha256:
            found.append(f"{where}: its checksum does not fit")
    return found


def _file_fault(path: Path, size: int, sha256: str) -> str | None:
    try:
        if path.stat().st_size != size:
            return f"{path}: {path.stat().st_size} bytes, expected {size}"
        return None if file_sha256(path) == sha256 else f"{path}: its checksum does not fit"
    except OSError as error:
        return f"{path}: {error.strerror}"
