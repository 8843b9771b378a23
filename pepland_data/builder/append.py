"""Add rows to a store: the new store is made in a temporary folder and replaces the old one."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pepland_data.builder.build import build
from pepland_data.builder.commit import StageProgress
from pepland_data.builder.local_build import BuildReport
from pepland_data.builder.merge import merge
from pepland_data.builder.merge_write import input_parts
from pepland_data.builder.options import BuildOptions, options_of
from pepland_data.chem.monomers.given import GivenMonomers, check_same
from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import file_sha256, sync_folder
from pepland_data.files.folder_lock import BuildLock
from pepland_data.files.remote import is_remote, local_path
from pepland_data.inputs.read_input import check_input
from pepland_data.store.graph_store import open_store
from pepland_data.store.manifest import MANIFEST_FILE, Manifest, read_manifest
from pepland_data.store.mirror import local_input
from pepland_data.store.split.make import UNASSIGNED
from pepland_data.store.split.recorded import open_split, split_names, write_split

AT_FDCWD, RENAME_EXCHANGE = -100, 2


def append(
    source: str | Path,
    out: str | Path,
    workers: int = 1,
    progress: StageProgress = lambda stage, done, total: None,
    given: Mapping[str, Any] | None = None,
    monomers: GivenMonomers | None = None,
    **others: Any,
) -> BuildReport:
    """Add the rows of a file to a store, with the options it was built with.

    If the command is killed, the folder holds the old store or the new one, and the same command
    resumes. Recorded splits keep their graphs; the new graphs belong to no set.

    Args:
        source: a file as for `build`.
        out: folder of the store; if there is none, a store is built.
        workers: processes.
        progress: as for `build`.
        given: options by their names in the manifest; they must equal those of the store, except
            `smiles_column` and `keep_index`, which are about the new file.
        monomers: the monomers of HELM that the store was built with, if any.
        others: options that change no byte, see `builder.options.options_of`.

    Raises:
        InputError: the input cannot be used, or is standard input, or the store has other monomers.
        BuildError: an option differs from the store's, the store has other versions, or its
            folder cannot be exchanged.
    """
    if is_remote(out):
        raise InputError(
            f"append exchanges folders, which is impossible at {out}; append to a copy on this "
            "machine, or build the new rows and merge both into a new store"
        )
    if is_remote(source):
        with local_input(source) as fetched:
            return append(fetched, out, workers, progress, given, monomers, **others)
    source, out = local_path(source), local_path(out).resolve()
    if str(source) == "-":
        raise InputError("append reads a file, not standard input; write the rows to a file")
    check_input(Path(source))
    others["workers"] = workers
    if not (out / MANIFEST_FILE).exists():
        return build(source, out, options_of(given or {}, monomers, **others), progress)
    manifest = read_manifest(out)
    if manifest.kind != "arrow":
        raise BuildError(
            f"{out} is a {manifest.kind} store, to which no rows can be added; run `pepland-data "
            "convert` to arrow, append, and convert back"
        )
    _check_given(manifest, given or {}, out)
    check_same(out, manifest.options.get("monomers"), monomers)
    if manifest.options.get("dedup"):
        raise BuildError(
            f"{out} was built with --dedup, and new rows cannot be compared with its molecules; "
            "build a new store from both inputs"
        )
    with BuildLock(out.parent / f".{out.name}.append") as lock:
        options = options_of({**manifest.options, **(given or {})}, monomers, **others)
        return _append_locked(Path(source), out, options, progress, lock)


def _check_given(manifest: Manifest, given: Mapping[str, Any], out: Path) -> None:
    """Refuse an option that differs from the store's."""
    options = {**manifest.options, "format": manifest.kind}
    for name, value in given.items():
        if name not in ("smiles_column", "keep_index") and options.get(name) != value:
            raise BuildError(
                f"{out} was built with {name} {options.get(name)!r}, and rows with {name} "
                f"{value!r} cannot be added to it; leave the option out, or build another store"
            )


def _append_locked(
    source: Path, out: Path, options: BuildOptions, progress: StageProgress, lock: BuildLock
) -> BuildReport:
    work, manifest = lock.path.parent, read_manifest(out)
    if file_sha256(source) in {part["sha256"] for part in input_parts(manifest)}:
        lock.release(clear=True)
        return _report(out, manifest, None)
    added = build(source, work / "new", options, progress)
    merged = work / "joined"
    shutil.rmtree(merged, ignore_errors=True)
    merge([out, work / "new"], merged, link=True)
    _copy_splits(out, merged)
    exchange(merged, out)
    sync_folder(out.parent)
    lock.release(clear=True)
    return _report(out, read_manifest(out), added)


def _copy_splits(old: Path, new: Path) -> None:
    before, after = open_store(old), open_store(new)
    for name in split_names(before):
        split = open_split(before, name)
        longer = np.full(len(after), UNASSIGNED, np.uint8)
        longer[: len(before)] = split.assignment
        write_split(after, replace(split, assignment=longer))


def exchange(new: Path, old: Path) -> None:
    """Exchange two folders in one step (renameat2 with RENAME_EXCHANGE, Linux).

    Raises:
        BuildError: the system or file system cannot do this; both folders are unchanged.
    """
    if not sys.platform.startswith("linux"):
        raise BuildError(f"{old}: only Linux can exchange folders; merge into a new folder")
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(
        AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(old), ctypes.c_uint(RENAME_EXCHANGE)
    )
    if done != 0:
        why = os.strerror(ctypes.get_errno())
        raise BuildError(
            f"{old} cannot be exchanged for {new} ({why}); the old store is unchanged; "
            "merge into a new folder instead"
        )


def _report(out: Path, manifest: Manifest, added: BuildReport | None) -> BuildReport:
    counts = manifest.counts
    return BuildReport(
        path=str(out),
        rows=counts["rows"],
        graphs=counts["graphs"],
        rejects=counts["rejects"],
        reasons=added.reasons if added else {},
        bytes=sum(entry.bytes for entry in manifest.entries()),
        seconds=added.seconds if added else 0.0,
        nothing_to_do=added is None,
        resumed_shards=added.resumed_shards if added else 0,
        early_notes=added.early_notes if added else [],
    )
