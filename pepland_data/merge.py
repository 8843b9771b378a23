"""Join stores into one: the bytes that one build of all inputs, one after the other, would give.

Input rows are numbered on from store to store and shards are cut again at multiples of the rows a
shard, so where an input ended leaves no trace. The new folder appears whole, by one rename.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pepland_data.errors import BuildError, InputError
from pepland_data.manifest import write_manifest
from pepland_data.merge_plan import plan_target
from pepland_data.merge_write import Progress, ShardWriter, write_all
from pepland_data.store import GraphStore, open_store

FREE_OPTIONS = {"smiles_column", "rows_per_shard"}
"""Options that may differ: they change no graph."""


@dataclass(frozen=True)
class MergeReport:
    """What was joined."""

    path: str
    stores: int
    rows: int
    graphs: int
    rejects: int
    shards: int
    reused_shards: int
    """Shards taken over byte for byte."""
    bytes: int
    notes: tuple[str, ...]
    """Sentences on columns that had to change."""


def merge(
    paths: Sequence[str | Path],
    out: str | Path,
    rows_per_shard: int | None = None,
    link: bool = False,
    reuse: bool = True,
    progress: Progress = lambda done, total: None,
) -> MergeReport:
    """Join stores, in the given order, into a new one at `out`.

    Args:
        paths: folders of stores, of one featurizer, RDKit and cut.
        out: folder that is not there yet, or empty.
        rows_per_shard: input rows a shard; None takes that of the first store.
        link: let unchanged shards share their bytes on disk instead of copying them.
        reuse: take unchanged shards over as files; False makes every shard again, to the same
            bytes.
        progress: called with shards done and their number.

    Raises:
        BuildError: stores that do not belong together, or `out` holds something.
        StoreNotFoundError: one of them is no store.
    """
    out = Path(out)
    stores = part_order([open_store(path) for path in paths])
    if not stores:
        raise InputError("nothing to merge; name one or more stores")
    check_same_kind(stores)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BuildError(f"{out} is there already; name a new folder")
    target, notes = plan_target(stores, rows_per_shard)
    work = out.parent / f".{out.name}.merging"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    writer = ShardWriter(work, target, link, reuse)
    manifest = write_all(work, target, writer, progress)
    write_manifest(work, manifest)
    work.replace(out)
    counts = manifest.counts
    return MergeReport(
        str(out), len(stores), counts["rows"], counts["graphs"], counts["rejects"],
        len(manifest.shards), writer.reused, sum(e.bytes for e in manifest.entries()), tuple(notes),
    )  # fmt: skip


def part_order(stores: Sequence[GraphStore]) -> list[GraphStore]:
    """Return parts of one build in the order of their rows; other stores as they were given."""
    starts = [store.manifest.input.get("first_row") for store in stores]
    if any(start is None for start in starts):
        return list(stores)
    return [stores[i] for i in np.argsort(np.array(starts, np.int64), kind="stable")]


def check_same_kind(stores: Sequence[GraphStore]) -> None:
    """Refuse stores whose graphs were made in different ways."""
    first = stores[0].manifest
    for store in stores[1:]:
        m = store.manifest
        for old, new in ((first.versions, m.versions), (first.options, m.options)):
            for name in sorted((old.keys() | new.keys()) - FREE_OPTIONS):
                if old.get(name) != new.get(name):
                    raise BuildError(
                        f"{store.path} has {name} {new.get(name)!r}, {stores[0].path} has "
                        f"{old.get(name)!r}; build both with the same, then merge"
                    )
