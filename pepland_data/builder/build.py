"""Build a store: local shards in parallel, then one set of codes for all, then the manifest."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pepland_data.builder.commit import Progress, commit, forget_chunks
from pepland_data.builder.convert_chunk import DONE_FILE, ShardSummary, convert_chunks
from pepland_data.builder.duplicates import drop_duplicates
from pepland_data.builder.engines import versions
from pepland_data.builder.options import BuildOptions, options_of
from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import file_sha256, remove_leftovers, write_atomic_bytes
from pepland_data.files.folder_lock import BuildLock
from pepland_data.files.remote import is_remote, local_path
from pepland_data.inputs.input_blocks import (
    Block,
    LineBlock,
    Piece,
    changed,
    check_input,
    count_rows,
    file_state,
    read_blocks,
    spool,
)
from pepland_data.inputs.part import Part
from pepland_data.store.graph_store import open_store
from pepland_data.store.manifest import (
    BUILD_FOLDER,
    MANIFEST_FILE,
    Manifest,
    read_manifest,
    write_manifest,
)
from pepland_data.store.zarr.layout import import_zarr

__all__ = ["BuildOptions", "BuildReport", "Progress", "build", "options_of"]
PLAN_FILE = "plan.json"
ASIDE = "arrow"
"""Folder inside the build for the Arrow store that a Zarr store is made of."""
NOT_SHOWN = ("input.name", "input.first_row", "input.of_rows")
"""What changes nothing, or follows from something else."""
TASK_ROWS, TASKS_LEFT = 8000, 4
"""Rows that one task converts at most, and tasks that each worker is still to have: a task costs
the parent half a millisecond, and a worker without one waits."""
SHARED_SECONDS = 60.0
"""How long a network file system may take to show what a worker wrote."""


@dataclass(frozen=True)
class BuildReport:
    """What a build did."""

    path: str
    rows: int
    graphs: int
    rejects: int
    reasons: dict[str, int]
    """``stage: reason`` -> rows."""
    bytes: int
    seconds: float
    nothing_to_do: bool
    resumed_shards: int
    notes: dict[str, int] = field(default_factory=dict)
    """``kind: note`` -> how often: what standardization changed and what RDKit warned of."""
    cache: dict[str, int] = field(default_factory=dict)
    """Pieces of molecules that were ``asked`` for, and those ``known`` from molecules before."""

    @property
    def reject_fraction(self) -> float:
        """Share of the rows that did not become graphs."""
        return self.rejects / self.rows if self.rows else 0.0


def build(
    source: str | Path,
    out: str | Path,
    options: BuildOptions | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> BuildReport:
    """Turn a file of texts into a store at `out`; go on where an earlier run was stopped.

    Args:
        source: CSV, TSV, .smi, .txt, FASTA or Parquet, gzipped or not, or ``-``; also by its URL.
        out: folder of the store, or its URL: then it is built in the cache folder and uploaded.
        options: see `BuildOptions`.
        progress: called with stage, rows or shards done, and their number where known.

    Raises:
        InputError: the input cannot be used.
        BuildError: the folder holds something else, or an unfinished build of another kind.
        RemoteError: a URL cannot be read or written.
    """
    options, start = options or BuildOptions(), time.perf_counter()
    if options.format == "zarr":
        import_zarr()
    if is_remote(source):
        from pepland_data.store.mirror import local_input

        with local_input(source) as fetched:
            return build(fetched, out, options, progress)
    if is_remote(out):
        from pepland_data.builder.publish import build_remote

        return build_remote(local_path(source), str(out), options, progress)
    source, out = local_path(source), local_path(out)
    if str(source) != "-":
        check_input(source)
    _claim(out)
    with BuildLock(out / BUILD_FOLDER) as lock:
        return _build_locked(source, out, options, progress, lock, start)


def _build_locked(
    source: str | Path,
    out: Path,
    options: BuildOptions,
    progress: Progress,
    lock: BuildLock,
    start: float,
) -> BuildReport:
    work = out / BUILD_FOLDER
    path = _input_path(source, work)
    before = file_state(path)
    plan = build_plan(path, options, str(source))
    if (out / MANIFEST_FILE).exists():
        report = already_built(str(out), read_manifest(out), plan)
        lock.release(clear=True)
        return report
    _start_or_resume(work, plan)
    try:
        summaries, resumed = _convert(path, work, options, _rows_of(plan), progress)
        if file_state(path) != before and file_sha256(path) != plan["input"]["sha256"]:
            raise changed(path)
        if not summaries:
            raise InputError(f"{source} holds no rows; expected one peptide a row")
        if options.featurize.dedup:
            run = partial(options.runner.run, ordered=True)
            summaries = drop_duplicates(work, summaries, run)
    except InputError:
        _forget_empty(out, work, lock)
        raise
    if options.format == "zarr":
        manifest = _commit_zarr(out, work, summaries, plan, options, progress)
    else:
        manifest = commit(out, work, summaries, plan, options.runner, progress)
    write_manifest(out, manifest)
    forget_chunks(work, options.runner)
    lock.release(clear=True)
    return _report(out, manifest, summaries, start, resumed)


def _claim(out: Path) -> None:
    """Refuse a folder that holds something else."""
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out} is a file; name another folder with --out")
    ours = (out / MANIFEST_FILE).exists() or (out / BUILD_FOLDER).is_dir()
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise BuildError(f"{out} holds other files and no store; name an empty or new folder")


def _input_path(source: str | Path, work: Path) -> Path:
    if str(source) != "-":
        return Path(source)
    path = work / "stdin.txt"
    spool(sys.stdin.buffer, path)
    check_input(path)
    return path


def build_plan(path: Path, options: BuildOptions, name: str) -> dict[str, Any]:
    """Return what decides the bytes of the store."""
    source: dict[str, Any] = {"name": Path(name).name, "sha256": file_sha256(path)}
    if options.part is not None:
        total = count_rows(path, options.smiles_column, options.featurize.input_format)
        first = options.part.rows(total, options.rows_per_shard).start
        source |= {"part": str(options.part), "first_row": first, "of_rows": total}
    return {
        "versions": versions(),
        "options": {
            **options.featurize.record(),
            "smiles_column": options.smiles_column,
            "rows_per_shard": options.rows_per_shard,
        },
        "input": source,
        "store": {"format": options.format},
    }


def _rows_of(plan: dict[str, Any]) -> range | None:
    """Return the rows to build of an input, None for all."""
    source = plan["input"]
    if "part" not in source:
        return None
    part = Part.parse(source["part"])
    return part.rows(source["of_rows"], plan["options"]["rows_per_shard"])


def already_built(out: str, manifest: Manifest, plan: dict[str, Any]) -> BuildReport:
    """Return the report of a build that finds its store finished; refuse another build's store."""
    found = {
        "versions": dict(manifest.versions),
        "options": dict(manifest.options),
        "input": {k: v for k, v in manifest.input.items() if k not in ("rows", "parts")},
        "store": {"format": manifest.kind},
    }
    if changed := plan_changes(found, plan):
        raise BuildError(
            f"{out} is a finished store of another build ({changed}); name another folder, "
            "or delete this one to build it again"
        )
    return _report(out, manifest, [], time.perf_counter(), len(manifest.shards), True)


def plan_changes(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return in words what differs between two plans, '' where nothing does."""
    flat_old = {f"{k}.{n}": v for k, part in old.items() for n, v in part.items()}
    flat_new = {f"{k}.{n}": v for k, part in new.items() for n, v in part.items()}
    names = sorted(flat_old.keys() | flat_new.keys())
    different = [n for n in names if flat_old.get(n) != flat_new.get(n) and n not in NOT_SHOWN]
    shown = (f"{n.split('.')[1] if n != 'input.sha256' else 'input content'}" for n in different)
    values = (
        "" if n == "input.sha256" else f" was {flat_old.get(n)!r}, now {flat_new.get(n)!r}"
        for n in different
    )
    return ", ".join(a + b for a, b in zip(shown, values, strict=True))


def _start_or_resume(work: Path, plan: dict[str, Any]) -> None:
    path = work / PLAN_FILE
    remove_leftovers(work.parent)
    if not path.exists():
        write_atomic_bytes(path, json.dumps(plan).encode())
        return
    if changed := plan_changes(json.loads(path.read_bytes()), plan):
        raise BuildError(
            f"{work.parent} holds an unfinished build of another kind ({changed}); "
            "repeat the old command to finish it, or delete the folder"
        )


def _forget_empty(out: Path, work: Path, lock: BuildLock) -> None:
    """Leave no trace of a build whose input cannot be used, unless it had got somewhere."""
    if not any(work.glob("*/done.json")):
        lock.release(clear=True)
        with suppress(OSError):  # not empty: something of another's
            out.rmdir()


def _convert(
    path: Path, work: Path, options: BuildOptions, part: range | None, progress: Progress
) -> tuple[list[ShardSummary], int]:
    """Return the summaries of all chunks in order, and how many were there already."""
    form = options.featurize.input_format
    blocks = read_blocks(
        path, options.rows_per_shard, options.smiles_column, form, part, options.engine == "local"
    )
    folder, groups = work.absolute(), grouped(blocks, options, part, path.stat().st_size)
    tasks = ((group, options.featurize, folder) for group in groups)
    found: list[ShardSummary] = []
    rows = 0
    done = options.runner.run(convert_chunks, tasks, ordered=False)
    for summary in (one for group in done for one in group):
        if not found:
            _check_shared(work / summary.folder)
        found.append(summary)
        rows += summary.rows
        progress("convert", rows, None if part is None else len(part))
    return sorted(found, key=lambda s: s.number), sum(s.resumed for s in found)


def grouped(
    blocks: Iterable[Block], options: BuildOptions, part: range | None, size: int
) -> Iterator[list[tuple[int, Block]]]:
    """Yield numbered blocks by tasks, smaller ones towards the end: all workers end together.

    Args:
        blocks: of the input.
        options: of the build.
        part: rows of the blocks, None where their number is unknown.
        size: bytes of the input.
    """
    group: list[tuple[int, Block]] = []
    most = TASK_ROWS // options.rows_per_shard if options.workers > 1 else 1
    for number, block in enumerate(blocks):
        group.append((number, block))
        left = _blocks_left(block, part, size)
        if len(group) >= min(most, left // (TASKS_LEFT * options.workers)):
            yield group
            group = []
    if group:
        yield group


def _blocks_left(block: Block, part: range | None, size: int) -> int:
    """Return about how many blocks come after this one; 0 where nobody knows."""
    if part is not None:
        return (len(part) - block.first_row) // max(len(block), 1)
    if isinstance(block, LineBlock) and isinstance(block.lines, Piece):
        return (size - block.lines.start) // max(block.lines.size, 1)
    return 0


def _check_shared(folder: Path) -> None:
    """Refuse workers that write where this process cannot read."""
    until = time.monotonic() + SHARED_SECONDS
    while not (folder / DONE_FILE).exists():
        if time.monotonic() > until:
            raise BuildError(
                f"a worker wrote {folder}, and it is not there for this process; "
                "all workers must see the folder of the store under the same path"
            )
        time.sleep(0.2)


def _commit_zarr(
    out: Path,
    work: Path,
    summaries: list[ShardSummary],
    plan: dict[str, Any],
    options: BuildOptions,
    progress: Progress,
) -> Manifest:
    """Make the Arrow store aside, and of it everything of the Zarr store but the manifest."""
    from pepland_data.store.zarr.write import write_zarr

    aside = work / ASIDE
    write_manifest(aside, commit(aside, work, summaries, plan, options.runner, progress))
    compress = partial(progress, "compress")
    return write_zarr(open_store(aside), out, options.runner, compress)


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sums of several counts, largest first."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def _report(
    out: str | Path,
    manifest: Manifest,
    summaries: list[ShardSummary],
    start: float,
    resumed: int,
    nothing_to_do: bool = False,
) -> BuildReport:
    return BuildReport(
        path=str(out),
        rows=manifest.counts["rows"],
        graphs=manifest.counts["graphs"],
        rejects=manifest.counts["rejects"],
        reasons=_total(s.rejects for s in summaries),
        notes=_total(s.notes for s in summaries),
        cache=_total(s.cache for s in summaries),
        bytes=sum(entry.bytes for entry in manifest.entries()),
        seconds=time.perf_counter() - start,
        nothing_to_do=nothing_to_do,
        resumed_shards=resumed,
    )
