"""Write a store without some of its graphs; the others are copied with their codes and tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pepland_data.builder.commit import CountProgress, write_table_files
from pepland_data.builder.workers.convert_chunk import reject_batch
from pepland_data.chem.conversion import Reject
from pepland_data.files.atomic import write_atomic
from pepland_data.graph.columns import SIZES
from pepland_data.store.arrow_arrays import flags, numbers
from pepland_data.store.arrow_shards import SIZES_FILE, ShardData, write_arrow_shard, write_sizes
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.manifest import FileEntry, Manifest
from pepland_data.store.manifest_form import NOTES, REJECTS
from pepland_data.store.row_files import TEXTS, read_rows

STAGE = "excluded"
"""Stage of the rejects."""
SAME, NEAR = "same", "near"
REASONS = {SAME: "the molecule of row {row} of {name}", NEAR: "near row {row} of {name}"}
"""Why a graph is excluded -> reason of its reject."""


@dataclass(frozen=True, eq=False)
class Exclusion:
    """The K graphs to exclude, with what each resembles."""

    row: npt.NDArray[np.int64]
    """[K] int64, ascending, places of the graphs in the store."""
    why: tuple[str, ...]
    """[K] `SAME` or `NEAR`."""
    name: tuple[str, ...]
    """[K] name of the file or store with the peptide that each resembles."""
    like_row: tuple[int, ...]
    """[K] input row of that peptide."""

    def count(self, why: str, name: str) -> int:
        """Return how many graphs are excluded for this reason and this file."""
        return sum(pair == (why, name) for pair in zip(self.why, self.name, strict=True))


def write_without(
    store: GraphStore, folder: Path, found: Exclusion, progress: CountProgress
) -> Manifest:
    """Write every file of the new store but its manifest, and return the manifest.

    Args:
        store: an opened store of either kind; at least one graph is left.
        folder: empty folder of the new store, which is an Arrow store.
        found: the graphs to exclude.
        progress: called with shards done and their total.
    """
    keep = np.ones(len(store), bool)
    keep[found.row] = False
    sizes = {name: np.asarray(values, np.int64)[keep] for name, values in store.sizes.items()}
    files = write_table_files(folder, store.tables)
    write_sizes(folder / SIZES_FILE, sizes)
    graphs = int(keep.sum())
    files.append(FileEntry.of(folder, SIZES_FILE, graphs))
    files.append(_write_rejects(store, folder, found))
    if store.manifest.lists(NOTES):
        files += _write_notes(store, folder, found)
    counts = {"graphs": graphs, "rejects": store.manifest.counts["rejects"] + len(found.row)}
    counts |= {name.removeprefix("num_"): int(sizes[name].sum()) for name in SIZES}
    return replace(
        store.manifest,
        kind="arrow",
        counts={**store.manifest.counts, **counts},
        files=tuple(files),
        shards=tuple(_write_shards(store, folder, keep, progress)),
    )


def _write_shards(
    store: GraphStore, folder: Path, keep: npt.NDArray[np.bool_], progress: CountProgress
) -> list[FileEntry]:
    """Write the graphs that are kept, shard by shard; none is empty."""
    entries: list[FileEntry] = []
    for s, (start, stop) in enumerate(pairwise(store.shard_ptr.tolist())):
        kept = np.flatnonzero(keep[start:stop])
        if len(kept):
            name = f"shards/{len(entries):06d}.arrow"
            write_arrow_shard(folder / name, taken(store.shard(s), kept), store.manifest.dtypes)
            entries.append(FileEntry.of(folder, name, len(kept)))
        progress(s + 1, store.num_shards)
    return entries


def taken(data: ShardData, kept: npt.NDArray[np.int64]) -> ShardData:
    """Return some graphs of a shard, with their texts and columns."""
    places = numbers(kept)
    extra = {name: values.take(places) for name, values in data.extra.items()}
    return ShardData(data.columns.take(kept), data.row_id[kept], data.smiles.take(places), extra)


def _write_rejects(store: GraphStore, folder: Path, found: Exclusion) -> FileEntry:
    """Write the rejects of a store and the excluded graphs, in row order."""
    old = read_rows(store.path, store.manifest, REJECTS).select(["row_id", *TEXTS[REJECTS]])
    whys = zip(found.why, found.like_row, found.name, strict=True)
    reasons = [REASONS[why].format(row=row, name=name) for why, row, name in whys]
    ids = store.row_id[found.row].tolist()
    rejects = [
        Reject(i, store.smiles[place], STAGE, reason)
        for i, place, reason in zip(ids, found.row.tolist(), reasons, strict=True)
    ]
    new = pa.Table.from_batches([reject_batch(rejects, 0)]).cast(old.schema)
    return _write_rows(folder, REJECTS, pa.concat_tables([old, new]).sort_by("row_id"))


def _write_notes(store: GraphStore, folder: Path, found: Exclusion) -> list[FileEntry]:
    """Write the notes on rows that are not excluded, without a file if there are none."""
    notes = read_rows(store.path, store.manifest, NOTES)
    stays = ~np.isin(notes["row_id"].to_numpy(), store.row_id[found.row])
    return [_write_rows(folder, NOTES, notes.filter(flags(stays)))] if stays.any() else []


def _write_rows(folder: Path, name: str, table: Any) -> FileEntry:
    write_atomic(folder / name, lambda file: pq.write_table(table, file, compression="zstd"))
    return FileEntry.of(folder, name, len(table))
