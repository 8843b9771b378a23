"""All checks of a store: checksums, indices, rows, splits, and graphs against their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.errors import StoreError
from pepland_data.files.atomic import file_sha256
from pepland_data.files.remote import RemoteFolder, is_remote, local_path
from pepland_data.store.consistency import consistency_faults
from pepland_data.store.featurize_again import semantic_faults
from pepland_data.store.graph_store import open_store
from pepland_data.store.manifest import FileEntry, read_manifest
from pepland_data.store.mirror import Mirror
from pepland_data.store.split.recorded import split_faults, split_names
from pepland_data.store.store_files import check_file


@dataclass(frozen=True)
class VerifyReport:
    """What was checked, and the faults found."""

    path: str
    files: int
    """Number of files whose checksum was compared: those of the manifest, and recorded splits."""
    graphs: int
    """Number of graphs whose offsets, codes and indices were checked."""
    recomputed: int
    """Number of graphs that were made again from their texts and compared."""
    findings: tuple[str, ...]
    """One sentence per fault; empty for a store without faults."""

    @property
    def sound(self) -> bool:
        """Whether no fault was found."""
        return not self.findings


def verify(
    path: str | Path, semantic: int = 0, seed: int = 0, monomers: GivenMonomers | None = None
) -> VerifyReport:
    """Check a store; damage is reported, not raised.

    Args:
        path: folder or URL of the store. Every file of a remote store is read again.
        semantic: number of graphs to make again from their texts and compare.
        seed: for the choice of these graphs.
        monomers: the monomers of HELM that the store was built with; only `semantic` needs them.

    Raises:
        InputError: these graphs need other monomers.
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
    findings = _remote_faults(remote, entries) if remote else _local_faults(folder, entries)
    if findings:
        return VerifyReport(str(path), len(entries), 0, 0, tuple(findings))
    try:
        store = open_store(path)
        names, findings = split_names(store), [*consistency_faults(store), *split_faults(store)]
        recomputed, faults = (
            semantic_faults(store, semantic, seed, monomers) if semantic else (0, [])
        )
    except StoreError as error:
        return VerifyReport(str(path), len(entries), 0, 0, (str(error),))
    files = len(entries) + len(names)
    return VerifyReport(str(path), files, len(store), recomputed, (*findings, *faults))


def _local_faults(folder: Path, entries: Sequence[FileEntry]) -> list[str]:
    faults = []
    for entry in entries:
        path = folder / entry.file
        try:
            check_file(folder, entry)
            if file_sha256(path) != entry.sha256:
                faults.append(f"{path}: its checksum does not match")
        except StoreError as error:
            faults.append(str(error))
        except OSError as error:
            faults.append(f"{path}: {error.strerror}")
    return faults


def _remote_faults(remote: RemoteFolder, entries: Sequence[FileEntry]) -> list[str]:
    """Return the faults of the remote files; local copies are not used."""
    sizes, faults = remote.sizes(), []
    for entry in entries:
        where, size = f"{remote.url}/{entry.file}", sizes.get(entry.file)
        if size != entry.bytes:
            faults.append(f"{where}: {size or 'no'} bytes, expected {entry.bytes}")
        elif sha256(remote.read(entry.file)).hexdigest() != entry.sha256:
            faults.append(f"{where}: its checksum does not match")
    return faults
