"""Reject duplicates: of all rows with the same molecule, only the first becomes a graph.

Workers write the identity of each molecule beside its shard (`notation.molecule_identity`). After
all chunks are converted, shards with duplicates are written again to another folder, so that this
step can be killed and repeated. The duplicates become rejects that name the row that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pepland_data.builder.workers.convert_chunk import (
    IDENTITY_FILE,
    LOCAL_DTYPES,
    NOTES_FILE,
    REJECTS_FILE,
    SHARD_FILE,
    ShardSummary,
    largest_indices,
    reject_batch,
)
from pepland_data.chem.conversion import Reject
from pepland_data.graph.columns import compact
from pepland_data.store.arrow_arrays import flags, numbers
from pepland_data.store.arrow_shards import (
    ShardData,
    map_batch,
    read_arrow_shard,
    read_tables,
    view,
    write_arrow_shard,
    write_batch,
    write_tables,
)
from pepland_data.store.store_files import damaged

Ints = npt.NDArray[np.int64]
RunTasks = Callable[[Any, list[tuple[Any, ...]]], Iterable[Any]]


@dataclass(frozen=True, eq=False)
class Duplicates:
    """The duplicates of one shard."""

    keep: npt.NDArray[np.bool_]
    """[G] bool, whether a graph is kept."""
    original: Ints
    """[G] int64, input row of the graph that is kept for its molecule."""


def drop_duplicates(
    work: Path, summaries: Sequence[ShardSummary], run: RunTasks
) -> list[ShardSummary]:
    """Return the summaries of shards without duplicates.

    Args:
        work: folder with a folder for each shard.
        summaries: all shards in input order.
        run: calls a function with each of the arguments and yields the results in order.
    """
    rows = [_row_ids(work / s.folder) for s in summaries]
    identity = [
        _identity(work / s.folder / IDENTITY_FILE, len(found))
        for s, found in zip(summaries, rows, strict=True)
    ]
    found = duplicates(identity, rows)
    chosen = [i for i, one in enumerate(found) if not one.keep.all()]
    cleaned = list(summaries)
    done = run(write_without_duplicates, [(work, summaries[i], found[i]) for i in chosen])
    for i, summary in zip(chosen, done, strict=True):
        cleaned[i] = summary
    return cleaned


def duplicates(identity: Sequence[npt.NDArray[np.uint8]], rows: Sequence[Ints]) -> list[Duplicates]:
    """Return the duplicates of each shard.

    Args:
        identity: [G, 16] uint8 of each shard.
        rows: [G] int64, input row of each graph of each shard, ascending over all.
    """
    joined = np.ascontiguousarray(np.concatenate(identity))
    _, first, which = np.unique(
        joined.view([("", np.void, joined.shape[1])]).ravel(),
        return_index=True, return_inverse=True,
    )  # fmt: skip
    kept = first[which]
    keep, original = kept == np.arange(len(joined)), np.concatenate(rows)[kept]
    ends = np.cumsum([len(one) for one in rows])[:-1]
    return [
        Duplicates(k, o)
        for k, o in zip(np.split(keep, ends), np.split(original, ends), strict=True)
    ]


def write_without_duplicates(work: Path, summary: ShardSummary, found: Duplicates) -> ShardSummary:
    """Write a shard without its duplicates to another folder, and return its summary."""
    old, cleaned = work / summary.folder, replace(summary, unique=True)
    target = work / cleaned.folder
    target.mkdir(exist_ok=True)
    data = read_arrow_shard(old / SHARD_FILE)
    kept = np.flatnonzero(found.keep)
    columns, tables = compact(data.columns.take(kept), read_tables(old))
    extra = {name: values.take(numbers(kept)) for name, values in data.extra.items()}
    smiles = data.smiles.take(numbers(kept))
    shard = ShardData(columns, data.row_id[kept], smiles, extra)
    write_arrow_shard(target / SHARD_FILE, shard, LOCAL_DTYPES)
    write_tables(target, tables)
    dropped = np.flatnonzero(~found.keep)
    rejects = [_reject(data, int(i), int(found.original[i])) for i in dropped]
    write_batch(target / REJECTS_FILE, _merged(map_batch(old / REJECTS_FILE), rejects))
    notes = map_batch(old / NOTES_FILE)
    stays = ~np.isin(view(notes["row_id"]), data.row_id[dropped])
    write_batch(target / NOTES_FILE, notes.filter(flags(stays)))
    return replace(
        cleaned,
        graphs=len(kept),
        rejects={**summary.rejects, "duplicate: the molecule of an earlier row": len(dropped)},
        largest=largest_indices(columns),
    )


def _reject(data: ShardData, position: int, original: int) -> Reject:
    reason = f"the molecule of row {original}"
    return Reject(int(data.row_id[position]), data.smiles[position].as_py(), "duplicate", reason)


def _merged(batch: Any, rejects: list[Reject]) -> Any:
    """Return old and new rejects in row order."""
    table = pa.Table.from_batches([batch, reject_batch(rejects, 0)]).sort_by("row_id")
    return table.combine_chunks().to_batches()[0]


def _identity(path: Path, graphs: int) -> npt.NDArray[np.uint8]:
    """Return the identities of the molecules of a shard. [graphs, 16] uint8."""
    try:
        found: npt.NDArray[np.uint8] = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, error) from error
    if found.dtype != np.uint8 or found.shape != (graphs, 16):
        raise damaged(path, f"{found.dtype} {found.shape}, expected uint8 ({graphs}, 16)")
    return found


def _row_ids(folder: Path) -> Ints:
    ids: Ints = view(map_batch(folder / SHARD_FILE)["row_id"])
    return ids
