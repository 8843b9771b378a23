"""The files and stores whose peptides are excluded from a store, all as stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pepland_data.builder.build import build
from pepland_data.builder.commit import StageProgress
from pepland_data.builder.options import BuildOptions
from pepland_data.chem.monomers.given import GivenMonomers, check_same
from pepland_data.errors import BuildError, InputError
from pepland_data.files.remote import RemoteFolder, is_remote, local_path
from pepland_data.store.graph_store import GraphStore, open_store
from pepland_data.store.manifest import MANIFEST_FILE

READING = ("input_format", "smiles_column", "lowercase", "monomers")
"""Options that decide which molecules the texts of a file are."""
SHARED = ("cut", "standardize")
"""Options without which two stores cannot be compared."""


@dataclass(frozen=True)
class Like:
    """A file or store whose peptides are excluded, as a store."""

    name: str
    sha256: str
    """Of the file, or of the manifest of the store."""
    store: GraphStore

    def record(self) -> dict[str, Any]:
        """Return what the manifest of the new store says about it."""
        manifest = self.store.manifest
        counts = {name: manifest.counts[name] for name in ("rows", "rejects")}
        read = {name: manifest.options[name] for name in READING if name in manifest.options}
        return {"name": self.name, "sha256": self.sha256, **counts, **read}


def like_stores(
    store: GraphStore,
    paths: Sequence[str | Path],
    work: Path,
    reading: BuildOptions,
    progress: StageProgress,
) -> list[Like]:
    """Return all files and stores as stores, with different names.

    Args:
        store: the store that they will be compared with.
        paths: files that `build` reads, or stores.
        work: folder for the stores of files.
        reading: how files are read.
        progress: called with ``read``, rows done and None.

    Raises:
        InputError: a file cannot be used, or none of its rows can, or a store has other monomers.
        BuildError: a store has another cut or other versions.
    """
    names: Counter[str] = Counter()
    likes: list[Like] = []
    rows = 0
    for number, path in enumerate(paths):
        names[_name(path)] += 1
        again = names[_name(path)]
        name = _name(path) + (f" ({again})" if again > 1 else "")
        told = partial(_read, progress, rows)
        if _is_store(path):
            other = open_store(path)
            likes.append(Like(name, other.identity, other))
        else:
            made = _built(store, path, work / f"like-{number}", reading, told)
            likes.append(Like(name, made.manifest.input["sha256"], made))
        _check_alike(store, likes[-1])
        check_monomers(likes[-1].store, reading.featurize.monomers)
        rows += likes[-1].store.manifest.counts["rows"]
    return likes


def _name(path: str | Path) -> str:
    return Path(str(path)).name or str(path)


def _is_store(path: str | Path) -> bool:
    if is_remote(path):
        return MANIFEST_FILE in RemoteFolder(str(path)).sizes()
    return local_path(path).is_dir()


def _read(progress: StageProgress, before: int, stage: str, done: int, total: int | None) -> None:
    """Report the rows of a file that is read after others with `before` rows."""
    if stage == "convert":
        progress("read", before + done, None)


def _built(
    store: GraphStore, path: str | Path, out: Path, reading: BuildOptions, progress: StageProgress
) -> GraphStore:
    """Return a file as a store with the cut and the standardization of another one."""
    shared = {
        name: store.manifest.options[name] for name in SHARED if name in store.manifest.options
    }
    build(path, out, replace(reading, featurize=replace(reading.featurize, **shared)), progress)
    made = open_store(out)
    if not len(made):
        raise InputError(
            f"no row of {path} can be read ({made.rejects[0]['reason']}); check --smiles-column "
            "and --input-format"
        )
    return made


def check_monomers(store: GraphStore, given: GivenMonomers | None) -> None:
    """Raise InputError if a store was built with monomers that are not the given ones."""
    if "monomers" in store.manifest.options:
        check_same(store.location, store.manifest.options["monomers"], given)


def _check_alike(store: GraphStore, like: Like) -> None:
    """Refuse a store whose fragments cannot be compared."""
    mine, theirs = store.manifest, like.store.manifest
    pairs = [(name, mine.versions.get(name), theirs.versions.get(name)) for name in mine.versions]
    pairs += [(name, mine.options.get(name), theirs.options.get(name)) for name in SHARED]
    for name, wanted, found in pairs:
        if wanted != found:
            raise BuildError(
                f"{like.name} has {name} {found!r}, {store.location} has {wanted!r}; build both "
                "with the same, or name the file that was built instead of its store"
            )
