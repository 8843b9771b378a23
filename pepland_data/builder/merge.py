"""Join stores into one, with the same bytes as one build of all inputs, one after the other.

Row numbers continue from store to store, and shards are split again at multiples of the rows per
shard, so the ends of the inputs do not show. One rename makes the complete store visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pepland_data.builder.commit import CountProgress
from pepland_data.builder.merge_layout import MergeTarget, merge_target
from pepland_data.builder.merge_write import ShardWriter, described, write_all
from pepland_data.builder.publish import publish
from pepland_data.chem.monomers.given import shown
from pepland_data.errors import BuildError, InputError
from pepland_data.files.folder_lock import LOCK_FILE, BuildLock, empty
from pepland_data.files.remote import is_remote, local_path
from pepland_data.inputs.part import first_rows
from pepland_data.store.graph_store import GraphStore, open_store
from pepland_data.store.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest

FREE_OPTIONS = {"smiles_column", "rows_per_shard"}
"""Options that may differ, because they change no graph."""


@dataclass(frozen=True)
class MergeReport:
    """Result of a merge."""

    path: str
    stores: int
    rows: int
    graphs: int
    rejects: int
    shards: int
    reused_shards: int
    """Shards copied or linked without a change."""
    bytes: int
    notes: tuple[str, ...]
    """Sentences about columns whose type changed."""
    nothing_to_do: bool = False
    """Whether `path` already held the merge of these stores."""


def merge(
    paths: Sequence[str | Path],
    out: str | Path,
    rows_per_shard: int | None = None,
    link: bool = False,
    reuse: bool = True,
    progress: CountProgress = lambda done, total: None,
) -> MergeReport:
    """Join stores, in the given order, into a new one at `out`.

    Args:
        paths: folders or URLs of stores, with the same versions and options.
        out: new folder or URL; the result is an Arrow store, also for Zarr inputs.
        rows_per_shard: input rows per shard; None takes the number of the first store.
        link: make hard links to unchanged shards instead of copies.
        reuse: copy unchanged shards as files; False writes every shard again, with the same
            bytes.
        progress: called with shards done and their total.

    Raises:
        BuildError: the stores differ in versions or options, or `out` holds something else.
        StoreNotFoundError: one of them is no store.
    """
    stores = part_order([open_store(path) for path in paths])
    if not stores:
        raise InputError("nothing to merge; name one or more stores")
    check_same_kind(stores)
    if is_remote(out):
        report = publish(
            str(out),
            {"merge": [store.identity for store in stores], "rows_per_shard": rows_per_shard},
            lambda folder: merge(paths, folder, rows_per_shard, link, reuse, progress),
            lambda stage, done, total: progress(done, total or done),
        )
        return replace(report, path=str(out))
    out = local_path(out)
    target, notes = merge_target(stores, rows_per_shard)
    lock = BuildLock(out.parent / f".{out.name}.merging").take()
    try:
        empty(lock.path.parent, but=LOCK_FILE)
        done = _check_free(out, target)
        writer = ShardWriter(lock.path.parent / "store", target, link, reuse)
        manifest = done or _write(out, target, writer, progress)
    finally:
        lock.release(clear=True)
    counts = manifest.counts
    return MergeReport(
        str(out), len(stores), counts["rows"], counts["graphs"], counts["rejects"],
        len(manifest.shards), writer.reused, sum(e.bytes for e in manifest.entries()), tuple(notes),
        nothing_to_do=done is not None,
    )  # fmt: skip


def _check_free(out: Path, target: MergeTarget) -> Manifest | None:
    """Return the manifest if `out` holds this merge already, None if `out` is empty.

    Raises:
        BuildError: `out` holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    itself = any(out.resolve() == Path(s.store.path).resolve() for s in target.sources)
    if (out / MANIFEST_FILE).is_file() and not itself:
        found = read_manifest(out)
        if all(getattr(found, name) == value for name, value in described(target).items()):
            return found
    raise BuildError(f"{out} is there already; name a new folder")


def _write(
    out: Path, target: MergeTarget, writer: ShardWriter, progress: CountProgress
) -> Manifest:
    """Write the store in a temporary folder and rename it to `out`."""
    writer.folder.mkdir()
    manifest = write_all(writer.folder, target, writer, progress)
    write_manifest(writer.folder, manifest)
    writer.folder.replace(out)
    return manifest


def part_order(stores: Sequence[GraphStore]) -> list[GraphStore]:
    """Return parts of one build in the order of their rows; other stores in the given order."""
    starts = first_rows(store.manifest.input for store in stores)
    if starts is None:
        return list(stores)
    return [stores[i] for i in np.argsort(np.array(starts, np.int64), kind="stable")]


def check_same_kind(stores: Sequence[GraphStore]) -> None:
    """Refuse stores with different versions or options."""
    first = stores[0].manifest
    for store in stores[1:]:
        m = store.manifest
        for old, new in ((first.versions, m.versions), (first.options, m.options)):
            for name in sorted((old.keys() | new.keys()) - FREE_OPTIONS):
                if old.get(name) != new.get(name):
                    raise BuildError(
                        f"{store.location} has {name} {shown(new.get(name))}, {stores[0].location} "
                        f"has {shown(old.get(name))}; build both with the same, then merge"
                    )
