"""The same store in the other format, and back to the same bytes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pepland_data.builder.publish import publish
from pepland_data.builder.workers.engines import Engine
from pepland_data.builder.write_zarr import ROW_FILES, Progress, write_zarr
from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import write_atomic_bytes
from pepland_data.files.remote import is_remote, local_path
from pepland_data.store.arrow_shards import SIZES_FILE, TABLE_FILES, write_arrow_shard, write_sizes
from pepland_data.store.arrow_shards import write_tables as write_arrow_tables
from pepland_data.store.graph_store import Address, GraphStore, open_store, reopened
from pepland_data.store.manifest import KINDS, FileEntry, Manifest, write_manifest
from pepland_data.store.split.recorded import split_names


@dataclass(frozen=True)
class ConvertReport:
    """What was written."""

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
    progress: Progress = lambda done, total: None,
) -> ConvertReport:
    """Write a store in another format into a new folder that appears whole, splits included.

    Args:
        path: folder or URL of a store.
        out: folder or URL where nothing is yet.
        kind: ``arrow`` or ``zarr``.
        workers: processes; does not change a byte.
        progress: called with files done and their number.

    Raises:
        InputError: an unknown format, or the one the store has.
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
            lambda aside: _convert(store, aside, kind, workers, progress),
            lambda stage, done, total: progress(done, total or done),
        )
        return replace(report, path=str(out))
    return _convert(store, local_path(out), kind, workers, progress)


def _convert(
    store: GraphStore, out: Path, kind: str, workers: int, progress: Progress
) -> ConvertReport:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BuildError(f"{out} is there already; name a new folder")
    work = out.parent / f".{out.name}.converting"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    write = write_zarr if kind == "zarr" else write_arrow
    manifest = write(store, work, Engine(workers), progress)
    for name in split_names(store):
        split = f"splits/{name}.json"
        write_atomic_bytes(work / split, (store.path / split).read_bytes())
    write_manifest(work, manifest)
    work.replace(out)
    entries = manifest.entries()
    return ConvertReport(
        str(out), kind, len(store), len(entries), sum(e.bytes for e in entries), store.nbytes
    )


def write_arrow(store: GraphStore, folder: Path, engine: Engine, progress: Progress) -> Manifest:
    """Write everything of a store but its manifest as Arrow, and return that."""
    write_arrow_tables(folder, store.tables)
    sizes = {name: np.asarray(values, np.int64) for name, values in store.sizes.items()}
    write_sizes(folder / SIZES_FILE, sizes)
    t = store.tables
    table_rows = (len(t.atom_x), len(t.bond_x), len(t.fragment_x))
    files = [FileEntry.of(folder, f, n) for f, n in zip(TABLE_FILES, table_rows, strict=True)]
    files.append(FileEntry.of(folder, SIZES_FILE, len(store)))
    there = {entry.file: entry for entry in store.manifest.files}
    for name in (name for name in ROW_FILES if name in there):
        write_atomic_bytes(folder / name, (store.path / name).read_bytes())
        files.append(FileEntry.of(folder, name, there[name].rows))
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
