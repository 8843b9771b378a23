"""Convert a store to the other format; converting it back gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pepland_data.builder.commit import CountProgress, write_table_files
from pepland_data.builder.publish import publish
from pepland_data.builder.workers.engines import Engine
from pepland_data.builder.write_zarr import ROW_FILES, write_zarr
from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import new_folder, write_atomic_bytes
from pepland_data.files.remote import is_remote, local_path
from pepland_data.store.arrow_shards import SIZES_FILE, write_arrow_shard, write_sizes
from pepland_data.store.graph_store import Address, GraphStore, open_store, reopened
from pepland_data.store.manifest import KINDS, FileEntry, Manifest, write_manifest
from pepland_data.store.split.recorded import open_split, split_names


@dataclass(frozen=True)
class ConvertReport:
    """Result of a conversion."""

    path: str
    kind: str
    """``arrow`` or ``zarr``."""
    graphs: int
    files: int
    bytes: int
    bytes_before: int


def convert(
    path: str | Path,
    out: str | Path,
    kind: str,
    workers: int = 1,
    progress: CountProgress = lambda done, total: None,
) -> ConvertReport:
    """Write a store, with its splits, in another format to a new folder or URL.

    Args:
        path: folder or URL of a store.
        out: new folder or URL.
        kind: ``arrow`` or ``zarr``.
        workers: number of processes.
        progress: called with files done and their total.

    Raises:
        InputError: the format is unknown, or the store has it already.
        BuildError: `out` holds something.
        StoreNotFoundError: there is no store.
        MissingDependencyError: zarr is not installed.
    """
    if kind not in KINDS:
        raise InputError(f"unknown format {kind!r}; expected {' or '.join(KINDS)}")
    store = open_store(path)
    if kind == store.manifest.kind:
        raise InputError(f"{path} is a store of format {kind} already; copy its folder")
    if is_remote(out):
        report = publish(
            str(out),
            {"convert": store.identity, "format": kind},
            lambda folder: _convert(store, folder, kind, workers, progress),
            lambda stage, done, total: progress(done, total or done),
        )
        return replace(report, path=str(out))
    return _convert(store, local_path(out), kind, workers, progress)


def _convert(
    store: GraphStore, out: Path, kind: str, workers: int, progress: CountProgress
) -> ConvertReport:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BuildError(f"{out} is there already; name a new folder")
    splits = split_names(store)
    for name in splits:
        open_split(store, name)  # a damaged one must not be copied
    write = write_zarr if kind == "zarr" else write_arrow
    with new_folder(out, "converting") as work:
        manifest = write(store, work, Engine(workers), progress)
        for name in splits:
            split = f"splits/{name}.json"
            write_atomic_bytes(work / split, (store.path / split).read_bytes())
        write_manifest(work, manifest)
    entries = manifest.entries()
    return ConvertReport(
        str(out), kind, len(store), len(entries), sum(e.bytes for e in entries), store.nbytes
    )


def write_arrow(
    store: GraphStore, folder: Path, engine: Engine, progress: CountProgress
) -> Manifest:
    """Write every file of a store but its manifest as Arrow, and return the manifest."""
    files = write_table_files(folder, store.tables)
    sizes = {name: np.asarray(values, np.int64) for name, values in store.sizes.items()}
    write_sizes(folder / SIZES_FILE, sizes)
    files.append(FileEntry.of(folder, SIZES_FILE, len(store)))
    entries = {entry.file: entry for entry in store.manifest.files}
    for old in (entries[file] for file in ROW_FILES if file in entries):
        write_atomic_bytes(folder / old.file, (store.path / old.file).read_bytes())
        files.append(FileEntry.of(folder, old.file, old.rows))
    shards = []
    arguments = [(store.address, folder, s) for s in range(store.num_shards)]
    for done, entry in enumerate(engine.run(write_shard, arguments, ordered=True), 1):
        shards.append(entry)
        progress(done, len(arguments))
    return replace(store.manifest, kind="arrow", files=tuple(files), shards=tuple(shards))


def write_shard(address: Address, folder: Path, s: int) -> FileEntry:
    """Write one shard of a store as an Arrow file."""
    store = reopened(*address)
    data, name = store.shard(s), f"shards/{s:06d}.arrow"
    write_arrow_shard(folder / name, data, store.manifest.dtypes)
    return FileEntry.of(folder, name, len(data.columns))
