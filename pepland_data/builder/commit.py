"""The second half of a build: one set of codes for all shards, and every file but the manifest.

Workers join tables, rewrite shards and take their checksums; this process adds up a few numbers a
shard, so that its work is a small part of theirs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pepland_data.builder.column_types import NUMBERS, cast, widest
from pepland_data.builder.workers.convert_chunk import (
    NOTES_FILE,
    REJECTS_FILE,
    SHARD_FILE,
    ShardSummary,
)
from pepland_data.builder.workers.engines import Engine
from pepland_data.errors import BuildError
from pepland_data.files.atomic import unflushed, write_atomic
from pepland_data.graph.columns import GROUPS
from pepland_data.graph.feature_tables import FeatureTables, TableIndex, union_tables
from pepland_data.store.arrow_shards import (
    SIZES_FILE,
    TABLE_FILES,
    ShardData,
    map_batch,
    narrowest,
    read_arrow_shard,
    read_tables,
    write_arrow_shard,
    write_sizes,
    write_tables,
)
from pepland_data.store.manifest import FileEntry, Manifest

REJECTS = "rejects.parquet"
NOTES = "notes.parquet"
"""Rows that standardization changed or RDKit warned of; there only if there are any."""
UNION_SIZE = 64
"""Tables that one task joins."""
RECODE_SIZE, TASKS_EACH = 8, 16
"""Shards that one task rewrites at most, and tasks that each worker is to have where that makes
fewer: a task costs the parent half a millisecond, and a worker without one waits."""
SIZE_NAMES = tuple(f"num_{group}s" for group in GROUPS)
Progress = Callable[[str, int, int | None], None]


def commit(
    out: Path,
    work: Path,
    summaries: list[ShardSummary],
    recipe: dict[str, Any],
    engine: Engine,
    progress: Progress,
) -> Manifest:
    """Write everything but the manifest, and return that.

    Args:
        out: folder of the store.
        work: folder with a folder for each shard.
        summaries: all shards in input order.
        recipe: ``versions``, ``options`` and ``input`` of the manifest.
        engine: where shards are rewritten.
        progress: called with stage, shards done and their number.
    """
    tables = all_tables(work, summaries, engine)
    write_tables(out, tables)
    table_rows = (len(tables.atom_x), len(tables.bond_x), len(tables.fragment_x))
    files = [FileEntry.of(out, f, n) for f, n in zip(TABLE_FILES, table_rows, strict=True)]
    kinds = _column_kinds(summaries)
    if "first_row" in recipe["input"]:  # what a column is shows when all parts are there
        kinds = {name: "text" if kind in NUMBERS else kind for name, kind in kinds.items()}
    target = ShardTarget(
        out.absolute(), tuple(f.sha256 for f in files), _dtypes(tables, summaries), kinds
    )
    shards, sizes = _write_shards(target, work, summaries, engine, progress)
    write_sizes(out / SIZES_FILE, dict(zip(SIZE_NAMES, sizes, strict=True)))
    rows, graphs = sum(s.rows for s in summaries), sum(s.graphs for s in summaries)
    first = [work / summaries[0].folder]  # has the columns, even where nobody has rows
    rejected = [work / s.folder for s in summaries if s.graphs < s.rows] or first
    noted = [work / s.folder for s in summaries if s.notes] or first
    rejects = _write_rows(out / REJECTS, [folder / REJECTS_FILE for folder in rejected])
    notes = _write_notes(out / NOTES, [folder / NOTES_FILE for folder in noted])
    files += [FileEntry.of(out, SIZES_FILE, graphs), FileEntry.of(out, REJECTS, rejects)]
    files += [FileEntry.of(out, NOTES, notes)] if notes else []
    if graphs + rejects != rows:
        raise BuildError(f"{graphs} graphs and {rejects} rejects are not {rows} rows; report this")
    totals = sizes.sum(axis=1, dtype=np.int64).tolist()
    counts = {f"{g}s": total for g, total in zip(GROUPS, totals, strict=True)}
    return Manifest(
        kind="arrow",
        versions=recipe["versions"],
        options=recipe["options"],
        input={**recipe["input"], "rows": rows},
        counts={"rows": rows, "graphs": graphs, "rejects": rejects, **counts},
        columns=tuple(kinds),
        dtypes=target.dtypes,
        files=tuple(files),
        shards=tuple(shards),
    )


def all_tables(work: Path, summaries: list[ShardSummary], engine: Engine) -> FeatureTables:
    """Return the tables of all shards joined, in canonical order; workers join them in groups."""
    work = work.absolute()
    folders, level = [work / s.folder for s in summaries], 0
    while level == 0 or len(folders) > 1:
        groups = [folders[i : i + UNION_SIZE] for i in range(0, len(folders), UNION_SIZE)]
        targets = [work / f"union/{level}-{i:06d}" for i in range(len(groups))]
        for _ in engine.run(join_tables, zip(groups, targets, strict=True), ordered=True):
            pass
        folders, level = targets, level + 1
    return read_tables(folders[0])


def join_tables(folders: list[Path], target: Path) -> None:
    """Write the joined tables of some folders into another."""
    with unflushed():
        write_tables(target, union_tables(read_tables(folder) for folder in folders))


@dataclass(frozen=True)
class ShardTarget:
    """What all shards of a store have in common."""

    out: Path
    """Folder of the store."""
    checksums: tuple[str, ...]
    """SHA-256 of its tables."""
    dtypes: Mapping[str, str]
    """Dtype of each code and index column."""
    kinds: Mapping[str, str]
    """Kind of each pass-through column."""


def _write_shards(
    target: ShardTarget,
    work: Path,
    summaries: list[ShardSummary],
    engine: Engine,
    progress: Progress,
) -> tuple[list[FileEntry], npt.NDArray[np.uint32]]:
    """Write all shards; return their entries, and the sizes of all graphs [4, G] on disk."""
    full = [s for s in summaries if s.graphs]
    names = [f"shards/{place:06d}.arrow" for place in range(len(full))]
    work = work.absolute()
    pairs = [(work / s.folder, name) for s, name in zip(full, names, strict=True)]
    size = max(1, min(RECODE_SIZE, len(pairs) // (TASKS_EACH * engine.workers)))
    arguments = ((pairs[i : i + size], target) for i in range(0, len(pairs), size))
    sizes = _sizes_on_disk(work / "sizes.bin", sum(s.graphs for s in full))
    shards: list[FileEntry] = []
    place = 0
    done = engine.run(recode_chunks, arguments, ordered=True)
    for entry, found in (one for group in done for one in group):
        sizes[:, place : place + entry.rows] = found
        place += entry.rows
        shards.append(entry)
        progress("commit", len(shards), len(full))
    _forget_old_shards(target.out, set(names))
    return shards, sizes


def forget_chunks(work: Path, engine: Engine) -> None:
    """Let workers delete the folders of the chunks: files by the thousand, a second for a few."""
    folders = [path for path in work.absolute().iterdir() if path.is_dir()]
    groups = [(folders[i : i + UNION_SIZE],) for i in range(0, len(folders), UNION_SIZE)]
    for _ in engine.run(delete_folders, groups, ordered=True):
        pass


def delete_folders(folders: list[Path]) -> None:
    """Delete folders and what is in them."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _sizes_on_disk(path: Path, graphs: int) -> npt.NDArray[np.uint32]:
    """Return an array [4, graphs] that lies in a file, so that memory does not grow with it."""
    shape = (len(SIZE_NAMES), graphs)
    return np.memmap(path, np.uint32, "w+", shape=shape) if graphs else np.zeros(shape, np.uint32)


def recode_chunks(
    pairs: list[tuple[Path, str]], target: ShardTarget
) -> list[tuple[FileEntry, npt.NDArray[np.uint32]]]:
    """Write some shards: folder and name of each; see `recode_chunk`."""
    return [recode_chunk(folder, name, target) for folder, name in pairs]


def recode_chunk(
    folder: Path, name: str, target: ShardTarget
) -> tuple[FileEntry, npt.NDArray[np.uint32]]:
    """Write a local shard with the store's codes, dtypes and column types.

    Returns:
        The manifest's entry, and atoms, fragments, bonds and reactions of each graph [4, G].
    """
    local = read_arrow_shard(folder / SHARD_FILE)
    columns = local.columns.recode(_index(target.out, target.checksums).recode(read_tables(folder)))
    extra = {n: cast(a, target.kinds[n]) for n, a in local.extra.items()}
    data = ShardData(columns, local.row_id, local.smiles, extra)
    write_arrow_shard(target.out / name, data, target.dtypes)
    sizes = np.stack([columns.sizes(group) for group in GROUPS]).astype(np.uint32)
    return FileEntry.of(target.out, name, len(columns)), sizes


@lru_cache(maxsize=1)
def _index(out: Path, checksums: tuple[str, ...]) -> TableIndex:
    """Return where each row of the store's tables is; a worker asks for the same ones again."""
    return TableIndex(read_tables(out))


def _dtypes(tables: FeatureTables, summaries: list[ShardSummary]) -> dict[str, str]:
    largest = {
        "atom_code": len(tables.atom_x) - 1,
        "bond_code": len(tables.bond_x) - 1,
        "reaction_code": len(tables.bond_x) - 1,
        "fragment_code": len(tables.fragment_x) - 1,
    }
    for summary in summaries:
        for name, value in summary.largest.items():
            largest[name] = max(largest.get(name, 0), value)
    return {name: narrowest(value) for name, value in sorted(largest.items())}


def _column_kinds(summaries: list[ShardSummary]) -> dict[str, str]:
    """Return one kind per pass-through column that fits all shards, in input order."""
    names = dict.fromkeys(name for s in summaries for name in s.column_kinds)
    return {n: widest({s.column_kinds[n] for s in summaries if n in s.column_kinds}) for n in names}


def _write_rows(path: Path, parts: list[Path]) -> int:
    """Join what each shard says of its rows to one Parquet file; return the number of lines."""
    import pyarrow.parquet as pq

    table = pa.Table.from_batches([map_batch(part) for part in parts])
    write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))
    return len(table)


def _write_notes(path: Path, parts: list[Path]) -> int:
    """Write the notes of all shards; without any there is no file."""
    count = _write_rows(path, parts)
    if not count:
        path.unlink()
    return count


def _forget_old_shards(out: Path, keep: set[str]) -> None:
    for path in (out / "shards").glob("*"):
        if path.relative_to(out).as_posix() not in keep:
            path.unlink()
