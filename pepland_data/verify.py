"""Is a store what was written: every checksum, every index, and graphs against their texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pepland_data.atomic import file_sha256
from pepland_data.errors import StoreError
from pepland_data.manifest import read_manifest
from pepland_data.semantic import semantic_faults
from pepland_data.store import GraphStore


@dataclass(frozen=True)
class VerifyReport:
    """What was checked and what is wrong."""

    path: str
    files: int
    """Files whose size and checksum were compared."""
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
        path: folder of the store.
        semantic: how many graphs to make again from their text and compare.
        seed: chooses them.

    Raises:
        StoreNotFoundError: there is no finished store.
    """
    folder = Path(path)
    try:
        entries = read_manifest(folder).entries()
    except StoreError as error:
        if isinstance(error, FileNotFoundError):
            raise
        return VerifyReport(str(path), 0, 0, 0, (str(error),))
    findings = [text for e in entries if (text := _file_fault(folder / e.file, e.bytes, e.sha256))]
    if findings:
        return VerifyReport(str(path), len(entries), 0, 0, tuple(findings))
    try:
        store = GraphStore(folder)
        for s in range(len(store.manifest.shards)):
            store.shard(s)
        recomputed, findings = semantic_faults(store, semantic, seed) if semantic else (0, [])
    except StoreError as error:
        return VerifyReport(str(path), len(entries), 0, 0, (str(error),))
    return VerifyReport(str(path), len(entries), len(store), recomputed, tuple(findings))


def _file_fault(path: Path, size: int, sha256: str) -> str | None:
    try:
        if path.stat().st_size != size:
            return f"{path}: {path.stat().st_size} bytes, expected {size}"
        return None if file_sha256(path) == sha256 else f"{path}: its checksum does not fit"
    except OSError as error:
        return f"{path}: {error.strerror}"
