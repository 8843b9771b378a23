"""Add rows to a store: built aside, merged aside, and exchanged with the old store in one step."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from pepland_data.atomic import file_sha256, sync_folder
from pepland_data.builder import BuildOptions, BuildReport, Progress, build
from pepland_data.conversion import FeaturizeOptions
from pepland_data.errors import BuildError, InputError
from pepland_data.inputs import check_input
from pepland_data.manifest import MANIFEST_FILE, Manifest, read_manifest
from pepland_data.merge import merge
from pepland_data.merge_write import input_parts
from pepland_data.split import UNASSIGNED, open_split, split_names, write_split
from pepland_data.store import open_store

AT_FDCWD, RENAME_EXCHANGE = -100, 2


def append(
    source: str | Path,
    out: str | Path,
    workers: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> BuildReport:
    """Add the rows of a file to a store, with the options it was built with.

    Killed at any moment, the old store is whole, or the new one is; the same command goes on.
    Recorded splits keep their graphs, and the new graphs are in no set of them.

    Args:
        source: a file as for `build`.
        out: folder of the store; where there is none, it is built.
        workers: processes.
        progress: as for `build`.

    Raises:
        InputError: the input cannot be used, or is standard input.
        BuildError: other versions made the store, or its folder cannot be exchanged.
    """
    out = Path(out).resolve()
    if str(source) == "-":
        raise InputError("append reads a file, so that it can be told apart; write the rows to one")
    check_input(Path(source))
    if not (out / MANIFEST_FILE).exists():
        return build(source, out, BuildOptions(workers=workers), progress)
    manifest = read_manifest(out)
    if manifest.options.get("dedup"):
        raise BuildError(
            f"{out} was built with --dedup, and new rows cannot be compared with its molecules; "
            "build a new store from both inputs"
        )
    work = out.parent / f".{out.name}.append"
    if file_sha256(Path(source)) in {part["sha256"] for part in input_parts(manifest)}:
        shutil.rmtree(work, ignore_errors=True)
        return _report(out, manifest, None)
    work.mkdir(exist_ok=True)
    added = build(source, work / "new", _options_of(manifest, workers), progress)
    joined = work / "joined"
    shutil.rmtree(joined, ignore_errors=True)
    merge([out, work / "new"], joined, link=True)
    _carry_splits(out, joined)
    exchange(joined, out)
    sync_folder(out.parent)
    shutil.rmtree(work)
    return _report(out, read_manifest(out), added)


def _options_of(manifest: Manifest, workers: int) -> BuildOptions:
    featurize = FeaturizeOptions.of_record(dict(manifest.options))
    options = BuildOptions(featurize, rows_per_shard=manifest.options["rows_per_shard"])
    return replace(options, smiles_column=manifest.options["smiles_column"], workers=workers)


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
