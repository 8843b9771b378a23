"""Second half of a build: local shards become shards with common tables, and all other files.

Workers join tables, rewrite shards and compute checksums. This process adds a few numbers per
shard, so its work is small.
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
    DONE_FILE,
    NOTES_FILE,
    REJECTS_FILE,
    SHARD_FILE,
    ShardSummary,
    largest_indices,
)
from pepland_data.builder.workers.engines import Engine
from pepland_data.errors import BuildError
from pepland_data.files.atomic import unflushed, write_atomic
from pepland_data.graph.columns import GROUPS, SIZES
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
from pepland_data.store.manifest_form import NOTES, REJECTS
from pepland_data.store.store_files import damaged

UNION_SIZE = 64
"""Sets of tables that one task joins, and folders that one task deletes."""
RECODE_SIZE, TASKS_PER_WORKER = 8, 16
"""Most shards that one task rewrites; fewer if a worker would get less than so many tasks.

A task costs this process half a millisecond, and a worker without a task waits."""
StageProgress = Callable[[str, int, int | None], None]
"""Called with a stage, rows or shards done, and their total or None."""
CountProgress = Callable[[int, int], None]
"""Called with shards or files done, and their total."""


def commit(
    out: Path,
    work: Path,
    summaries: list[ShardSummary],
    recipe: dict[str, Any],
    engine: Engine,
    progress: StageProgress,
) -> Manifest:
    """Write every file of a store but the manifest, and return the manifest.

    Args:
        out: folder of the store.
        work: folder with a folder for each shard.
        summaries: all shards in input order.
        recipe: ``versions``, ``options`` and ``input`` of the manifest.
        engine: where shards are rewritten.
        progress: called with stage, shards done and their total.
    """
    tables = all_tables(work, summaries, engine)
    files = write_table_files(out, tables)
    kinds = _column_kinds(summaries)
    if "first_row" in recipe["input"]:  # a part cannot know the kind of the whole column
        kinds = {name: "text" if kind in NUMBERS else kind for name, kind in kinds.items()}
    common = ShardFormat(
        out.absolute(), tuple(f.sha256 for f in files), _dtypes(tables, summaries), kinds
    )
    shards, sizes = _write_shards(common, work, summaries, engine, progress)
    write_sizes(out / SIZES_FILE, dict(zip(SIZES, sizes, strict=True)))
    rows, graphs = sum(s.rows for s in summaries), sum(s.graphs for s in summaries)
    first = [work / summaries[0].folder]  # for the columns, if no shard has rows
    rejected = [work / s.folder for s in summaries if s.graphs < s.rows] or first
    noted = [work / s.folder for s in summaries if s.notes] or first
    rejects = _write_rows(out / REJECTS, [folder / REJECTS_FILE for folder in rejected])
    notes = _write_notes(out / NOTES, [folder / NOTES_FILE for folder in noted])
    files += [FileEntry.of(out, SIZES_FILE, graphs), FileEntry.of(out, REJECTS, rejects)]
    files += [FileEntry.of(out, NOTES, notes)] if notes else []
    if graphs + rejects != rows:
        raise BuildError(
            f"{graphs} graphs and {rejects} rejects are not {rows} rows; please report this"
        )
    totals = sizes.sum(axis=1, dtype=np.int64).tolist()
    counts = {f"{g}s": total for g, total in zip(GROUPS, totals, strict=True)}
    return Manifest(
        kind="arrow",
        versions=recipe["versions"],
        options=recipe["options"],
        input={**recipe["input"], "rows": rows},
        counts={"rows": rows, "graphs": graphs, "rejects": rejects, **counts},
        columns=tuple(kinds),
        dtypes=common.dtypes,
        files=tuple(files),
        shards=tuple(shards),
    )


def all_tables(work: Path, summaries: list[ShardSummary], engine: Engine) -> FeatureTables:
    """Return the joined tables of all shards, in canonical order; workers join them in groups."""
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
    """Write the joined tables of some folders to the folder `target`."""
    with unflushed():
        write_tables(target, union_tables(read_tables(folder) for folder in folders))


@dataclass(frozen=True)
class ShardFormat:
    """Properties that all shards of a store share."""

    out: Path
    """Folder of the store."""
    checksums: tuple[str, ...]
    """SHA-256 of the table files."""
    dtypes: Mapping[str, str]
    """Dtype of each code and index column."""
    kinds: Mapping[str, str]
    """Kind of each pass-through column."""


def _write_shards(
    common: ShardFormat,
    work: Path,
    summaries: list[ShardSummary],
    engine: Engine,
    progress: StageProgress,
) -> tuple[list[FileEntry], npt.NDArray[np.uint32]]:
    """Write all shards; return their entries, and the sizes of all graphs, [4, G] uint32."""
    full = [s for s in summaries if s.graphs]
    names = [f"shards/{place:06d}.arrow" for place in range(len(full))]
    work = work.absolute()
    pairs = [(work / s.folder, name) for s, name in zip(full, names, strict=True)]
    size = max(1, min(RECODE_SIZE, len(pairs) // (TASKS_PER_WORKER * engine.workers)))
    arguments = ((pairs[i : i + size], common) for i in range(0, len(pairs), size))
    sizes = _sizes_on_disk(work / "sizes.bin", sum(s.graphs for s in full))
    shards: list[FileEntry] = []
    place = 0
    done = engine.run(recode_chunks, arguments, ordered=True)
    made = (one for group in done for one in group)
    for (entry, found), summary in zip(made, full, strict=True):
        if entry.rows != summary.graphs:
            why = f"{summary.graphs} graphs, the shard has {entry.rows}"
            raise damaged(work / summary.folder / DONE_FILE, why)
        sizes[:, place : place + entry.rows] = found
        place += entry.rows
        shards.append(entry)
        progress("commit", len(shards), len(full))
    _delete_old_shards(common.out, set(names))
    return shards, sizes


def delete_chunks(work: Path, engine: Engine) -> None:
    """Delete the folders of the chunks; workers share this, because there are many files."""
    folders = [path for path in work.absolute().iterdir() if path.is_dir()]
    groups = [(folders[i : i + UNION_SIZE],) for i in range(0, len(folders), UNION_SIZE)]
    for _ in engine.run(delete_folders, groups, ordered=True):
        pass


def delete_folders(folders: list[Path]) -> None:
    """Delete folders and what is in them."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _sizes_on_disk(path: Path, graphs: int) -> npt.NDArray[np.uint32]:
    """Return an array [4, graphs] uint32 in a file, so that it takes no memory."""
    shape = (len(SIZES), graphs)
    return np.memmap(path, np.uint32, "w+", shape=shape) if graphs else np.zeros(shape, np.uint32)


def recode_chunks(
    pairs: list[tuple[Path, str]], common: ShardFormat
) -> list[tuple[FileEntry, npt.NDArray[np.uint32]]]:
    """Write some shards, given as folder and name; see `recode_chunk`."""
    return [recode_chunk(folder, name, common) for folder, name in pairs]


def recode_chunk(
    folder: Path, name: str, common: ShardFormat
) -> tuple[FileEntry, npt.NDArray[np.uint32]]:
    """Write a local shard with the codes, dtypes and column kinds of the store.

    Returns:
        The manifest entry; atoms, fragments, bonds and reactions of each graph, [4, G] uint32.
    """
    local = read_arrow_shard(folder / SHARD_FILE)
    columns = local.columns.recode(
        _table_index(common.out, common.checksums).recode(read_tables(folder))
    )
    try:
        extra = {n: cast(a, common.kinds[n]) for n, a in local.extra.items()}
    except (pa.ArrowException, KeyError) as error:
        raise damaged(folder / DONE_FILE, f"kind of a column: {error}") from error
    for n, largest in largest_indices(columns).items():
        if largest > np.iinfo(common.dtypes[n]).max:
            raise damaged(folder / DONE_FILE, f"{n} has {largest}, above what it says")
    data = ShardData(columns, local.row_id, local.smiles, extra)
    write_arrow_shard(common.out / name, data, common.dtypes)
    sizes = np.stack([columns.sizes(group) for group in GROUPS]).astype(np.uint32)
    return FileEntry.of(common.out, name, len(columns)), sizes


@lru_cache(maxsize=1)
def _table_index(out: Path, checksums: tuple[str, ...]) -> TableIndex:
    """Return the index of the tables of the store; cached, because a worker needs it again."""
    return TableIndex(read_tables(out))


def write_table_files(folder: Path, tables: FeatureTables) -> list[FileEntry]:
    """Write tables and return their manifest entries."""
    write_tables(folder, tables)
    rows = (len(tables.atom_x), len(tables.bond_x), len(tables.fragment_x))
    return [FileEntry.of(folder, file, n) for file, n in zip(TABLE_FILES, rows, strict=True)]


def code_dtypes(tables: FeatureTables) -> dict[str, str]:
    """Return the narrowest dtype of each code column."""
    bonds = narrowest(len(tables.bond_x) - 1)
    return {
        "atom_code": narrowest(len(tables.atom_x) - 1),
        "bond_code": bonds,
        "reaction_code": bonds,
        "fragment_code": narrowest(len(tables.fragment_x) - 1),
    }


def _dtypes(tables: FeatureTables, summaries: list[ShardSummary]) -> dict[str, str]:
    """Return the narrowest dtype of each code and index column."""
    largest: dict[str, int] = {}
    for summary in summaries:
        for name, value in summary.largest.items():
            largest[name] = max(largest.get(name, 0), value)
    indices = {name: narrowest(value) for name, value in largest.items()}
    return dict(sorted({**code_dtypes(tables), **indices}.items()))


def _column_kinds(summaries: list[ShardSummary]) -> dict[str, str]:
    """Return one kind per pass-through column that fits all shards, in input order."""
    names = dict.fromkeys(name for s in summaries for name in s.column_kinds)
    return {n: widest({s.column_kinds[n] for s in summaries if n in s.column_kinds}) for n in names}


def _write_rows(path: Path, parts: list[Path]) -> int:
    """Join the rejects or notes of all shards to one Parquet file; return their number."""
    import pyarrow.parquet as pq

    table = pa.Table.from_batches([map_batch(part) for part in parts])
    write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))
    return len(table)


def _write_notes(path: Path, parts: list[Path]) -> int:
    """Write the notes of all shards, without a file if there are none; return their number."""
    count = _write_rows(path, parts)
    if not count:
        path.unlink()
    return count


def _delete_old_shards(out: Path, keep: set[str]) -> None:
    for path in (out / "shards").glob("*"):
        if path.relative_to(out).as_posix() not in keep:
            path.unlink()
