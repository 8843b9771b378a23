"""Copy a store without the peptides that are in, or near to, those of other files and stores.

Files become stores in a temporary folder, with the cut and the standardization of the store, and
are compared with it (`store.split.near_rows`). One rename makes the complete new store visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pepland_data.builder.commit import StageProgress
from pepland_data.builder.exclude_write import NEAR, SAME, Exclusion, write_without
from pepland_data.builder.like_stores import Like, check_monomers, like_stores
from pepland_data.builder.options import BuildOptions
from pepland_data.builder.publish import publish
from pepland_data.errors import BuildError, InputError, MissingDependencyError
from pepland_data.files.folder_lock import LOCK_FILE, BuildLock, empty
from pepland_data.files.remote import is_remote, local_path
from pepland_data.graph.columns import pointers
from pepland_data.store.graph_store import GraphStore, open_store
from pepland_data.store.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest


@dataclass(frozen=True)
class LikeReport:
    """One of the files or stores whose peptides are excluded."""

    name: str
    """Without folders."""
    rows: int
    graphs: int
    rejects: int
    """Rows that cannot be read, so nothing is excluded for them."""
    same: int
    """Peptides of the store that are the molecule of a row."""
    near: int
    """Other peptides of the store that are near to a row."""


@dataclass(frozen=True)
class ExcludeReport:
    """Result of an exclusion; a peptide is counted for the first file that it resembles."""

    path: str
    graphs: int
    """Peptides that are left."""
    same: int
    near: int
    like: tuple[LikeReport, ...]
    threshold: float | None
    shards: int
    bytes: int
    nothing_to_do: bool = False
    """Whether `path` already held the result."""

    @property
    def excluded(self) -> int:
        """Peptides that are not in the new store."""
        return self.same + self.near


def exclude(
    path: str | Path,
    like: Sequence[str | Path],
    out: str | Path,
    threshold: float | None = None,
    reading: BuildOptions | None = None,
    progress: StageProgress = lambda stage, done, total: None,
) -> ExcludeReport:
    """Write a copy of a store without the peptides that resemble those of `like`.

    A peptide is excluded if it is the same molecule, or near: a split by similarity would put both
    into one group without a third peptide. Its row is then a reject of the stage ``excluded``.

    Args:
        path: folder or URL of a store.
        like: files that `build` reads, or stores of the same cut and versions.
        out: new folder or URL; the result is an Arrow store, also for a Zarr store.
        threshold: identity from 0.9 to 1 at which peptides are near. Peptides that differ by one
            residue are near without it, too.
        reading: how files are read: column, format and monomers of their texts, workers. The
            monomers are also those of stores that were built with monomers.
        progress: called with ``read``, ``compare`` or ``copy``, rows or shards done, and their
            total or None.

    Raises:
        InputError: a file cannot be used, or nothing would be left, or a store has other monomers.
        BuildError: a store has another cut or other versions, or `out` holds something else.
        StoreNotFoundError: one of them is no store.
        MissingDependencyError: packages of the extra ``build`` are not installed.
    """
    reading = reading or BuildOptions()
    store = open_store(path)
    _check_store(store, like)
    check_monomers(store, reading.featurize.monomers)
    if is_remote(out):
        report = publish(
            str(out),
            {"exclude": store.identity, "like": list(map(str, like)), "threshold": threshold},
            lambda folder: exclude(path, like, folder, threshold, reading, progress),
            progress,
        )
        return replace(report, path=str(out))
    out = local_path(out)
    lock = BuildLock(out.parent / f".{out.name}.excluding").take()
    try:
        work = lock.path.parent
        empty(work, but=LOCK_FILE)
        done, exclusion = _former(out, store)
        likes = like_stores(store, like, work, reading, progress)
        record: dict[str, Any] = {"like": [one.record() for one in likes], "threshold": threshold}
        if done and exclusion != record:
            raise _taken(out)
        manifest = done or _write(out, store, likes, record, reading, work / "store", progress)
    finally:
        lock.release(clear=True)
    return _report(out, manifest, done is not None)


def _check_store(store: GraphStore, like: Sequence[str | Path]) -> None:
    """Refuse a store from which nothing can be excluded."""
    if not like:
        raise InputError("nothing to exclude; name one or more files or stores with --like")
    if "first_row" in store.manifest.input:
        raise InputError(
            f"{store.location} is a part of a build; merge the parts first, then exclude"
        )


def _former(out: Path, store: GraphStore) -> tuple[Manifest | None, dict[str, Any]]:
    """Return the manifest of an earlier result in `out`, and what it left out; None if empty.

    Raises:
        BuildError: `out` holds something that was not made of this store.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None, {}
    if (out / MANIFEST_FILE).is_file():
        found, was = read_manifest(out), store.manifest
        excluded = list(found.input.get("excluded", []))
        last = excluded.pop() if excluded else {"like": []}
        now = (found.versions, found.options, {**found.input, "excluded": excluded})
        if now == (was.versions, was.options, {"excluded": [], **was.input}):
            like = [{k: v for k, v in one.items() if k not in (SAME, NEAR)} for one in last["like"]]
            return found, {**last, "like": like}
    raise _taken(out)


def _taken(out: Path) -> BuildError:
    return BuildError(f"{out} is there already; name a new folder")


def _write(
    out: Path,
    store: GraphStore,
    likes: Sequence[Like],
    record: dict[str, Any],
    reading: BuildOptions,
    work: Path,
    progress: StageProgress,
) -> Manifest:
    """Write the store in a temporary folder and rename it to `out`."""
    found = _resembling(store, likes, record["threshold"], reading, progress)
    if len(found.row) == len(store):
        raise InputError(
            f"every peptide of {store.location} resembles one of {likes[0].name}"
            f"{' or the others' if likes[1:] else ''}, so nothing is left and no store is written"
        )
    work.mkdir()
    counted = [
        {**one, SAME: found.count(SAME, name), NEAR: found.count(NEAR, name)}
        for one, name in zip(record["like"], (like.name for like in likes), strict=True)
    ]
    manifest = write_without(store, work, found, partial(progress, "copy"))
    excluded = [*store.manifest.input.get("excluded", []), {**record, "like": counted}]
    manifest = replace(manifest, input={**manifest.input, "excluded": excluded})
    write_manifest(work, manifest)
    work.replace(out)
    return manifest


def _resembling(
    store: GraphStore,
    likes: Sequence[Like],
    threshold: float | None,
    reading: BuildOptions,
    progress: StageProgress,
) -> Exclusion:
    """Return the graphs to exclude, why, and which row of which file each resembles."""
    try:
        from pepland_data.store.split.near_rows import NONE, near_rows
        from pepland_data.store.split.same_molecules import same_molecules
    except ImportError as error:
        raise MissingDependencyError(
            f"exclude needs RDKit and scipy ({error}); "
            "install them with `pip install 'pepland-data[build]'`"
        ) from error
    stores = [like.store for like in likes]
    near = near_rows(store, stores, threshold, partial(progress, "compare"))
    same = same_molecules(store, stores, near, reading.featurize.monomers)
    other = np.where(same == NONE, near.first, same)
    row = np.flatnonzero(other != NONE)
    firsts = pointers([len(one) for one in stores])
    which = np.searchsorted(firsts, other[row], side="right") - 1
    like_row = np.concatenate([one.row_id for one in stores])[other[row]]
    return Exclusion(
        row,
        tuple(NEAR if one else SAME for one in (same[row] == NONE).tolist()),
        tuple(likes[i].name for i in which.tolist()),
        tuple(like_row.tolist()),
    )


def _report(out: Path, manifest: Manifest, nothing_to_do: bool) -> ExcludeReport:
    last = manifest.input["excluded"][-1]
    names = ("name", "rows", "rejects", SAME, NEAR)
    like = tuple(
        LikeReport(graphs=one["rows"] - one["rejects"], **{n: one[n] for n in names})
        for one in last["like"]
    )
    return ExcludeReport(
        str(out), manifest.counts["graphs"], sum(one.same for one in like),
        sum(one.near for one in like), like, last["threshold"], len(manifest.shards),
        sum(entry.bytes for entry in manifest.entries()), nothing_to_do,
    )  # fmt: skip
