"""Add rows to a store: built aside, merged aside, and exchanged with the old store in one step."""

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
from pepland_data.builder.commit import Progress
from pepland_data.builder.local_build import BuildReport
from pepland_data.builder.merge import merge
from pepland_data.builder.merge_write import input_parts
from pepland_data.builder.options import BuildOptions, options_of
from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import file_sha256, sync_folder
from pepland_data.files.folder_lock import BuildLock
from pepland_data.files.remote import is_remote, local_path
from pepland_data.inputs.input_blocks import check_input
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
    progress: Progress = lambda stage, done, total: None,
    asked: Mapping[str, Any] | None = None,
    engine: str = "local",
    address: str | None = None,
) -> BuildReport:
    """Add the rows of a file to a store, with the options it was built with.

    Killed at any moment, the old store is whole, or the new one is; the same command goes on.
    Recorded splits keep their graphs, and the new graphs are in no set of them.

    Args:
        source: a file as for `build`.
        out: folder of the store; where there is none, it is built.
        workers: processes.
        progress: as for `build`.
        asked: options by their names in the manifest; what decides graphs must be as the store has
            it, `smiles_column` is that of the new file.
        engine: as for `build`.
        address: as for `build`.

    Raises:
        InputError: the input cannot be used, or is standard input.
        BuildError: an option asked for is not the store's, other versions made the store, or its
            folder cannot be exchanged.
    """
    if is_remote(out):
        raise InputError(
            f"append exchanges folders, which {out} cannot; append to a copy on this machine, or "
            "build the new rows and merge both into a new store"
        )
    if is_remote(source):
        with local_input(source) as fetched:
            return append(fetched, out, workers, progress, asked, engine, address)
    source, out = local_path(source), local_path(out).resolve()
    if str(source) == "-":
        raise InputError("append reads a file, so that it can be told apart; write the rows to one")
    check_input(Path(source))
    where: dict[str, Any] = {"workers": workers, "engine": engine, "address": address}
    if not (out / MANIFEST_FILE).exists():
        return build(source, out, options_of(asked or {}, **where), progress)
    manifest = read_manifest(out)
    if manifest.kind != "arrow":
        raise BuildError(
            f"{out} is a {manifest.kind} store, to which nothing can be added; `pepland-data "
            "convert` it to arrow, append, and convert it back"
        )
    _check_asked(manifest, asked or {}, out)
    if manifest.options.get("dedup"):
        raise BuildError(
            f"{out} was built with --dedup, and new rows cannot be compared with its molecules; "
            "build a new store from both inputs"
        )
    with BuildLock(out.parent / f".{out.name}.append") as lock:
        options = options_of({**manifest.options, **(asked or {})}, **where)
        return _append_locked(Path(source), out, options, progress, lock)


def _check_asked(manifest: Manifest, asked: Mapping[str, Any], out: Path) -> None:
    """Refuse an option that the store was built without."""
    options = {**manifest.options, "format": manifest.kind}
    for name, value in asked.items():
        if name != "smiles_column" and options.get(name) != value:
            raise BuildError(
                f"{out} was built with {name} {options.get(name)!r}, and rows with {name} "
                f"{value!r} cannot be added to it; leave the option out, or build another store"
            )


def _append_locked(
    source: Path, out: Path, options: BuildOptions, progress: Progress, lock: BuildLock
) -> BuildReport:
    work, manifest = lock.path.parent, read_manifest(out)
    if file_sha256(source) in {part["sha256"] for part in input_parts(manifest)}:
        lock.release(clear=True)
        return _report(out, manifest, None)
    added = build(source, work / "new", options, progress)
    joined = work / "joined"
    shutil.rmtree(joined, ignore_errors=True)
    merge([out, work / "new"], joined, link=True)
    _carry_splits(out, joined)
    exchange(joined, out)
    sync_folder(out.parent)
    lock.release(clear=True)
    return _report(out, read_manifest(out), added)


def _carry_splits(old: Path, new: Path) -> None:
    before, after = open_store(old), open_store(new)
    for name in split_names(before):
        split = open_split(before, name)
        longer = np.full(len(after), UNASSIGNED, np.uint8)
        longer[: len(before)] = split.assignment
        write_split(after, replace(split, assignment=longer))


def exchange(new: Path, old: Path) -> None:
    """Exchange two folders in one step.

    Raises:
        BuildError: the system or file system cannot; both folders are as they were.
    """
    if not sys.platform.startswith("linux"):
        raise BuildError(f"{old}: folders cannot be exchanged here; use merge into a new folder")
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(
        AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(old), ctypes.c_uint(RENAME_EXCHANGE)
    )
    if done != 0:
        why = os.strerror(ctypes.get_errno())
        raise BuildError(
            f"{old} cannot be exchanged for {new} ({why}); the old store is as it was: "
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
    )
