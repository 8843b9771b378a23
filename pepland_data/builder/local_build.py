"""Build a store in a folder: convert chunks in parallel, commit them, then write the manifest."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pepland_data.builder.commit import StageProgress, commit, delete_chunks
from pepland_data.builder.duplicates import drop_duplicates
from pepland_data.builder.first_rows import FirstRows, total
from pepland_data.builder.options import BuildOptions
from pepland_data.builder.recipe import changes, recipe_of, rows_of, start_or_resume
from pepland_data.builder.workers.convert_chunk import DONE_FILE, ShardSummary, convert_chunks
from pepland_data.builder.write_zarr import write_zarr
from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import file_sha256
from pepland_data.files.folder_lock import BuildLock
from pepland_data.inputs.early_notes import warn_early
from pepland_data.inputs.line_block import Block, FileSpan, LineBlock, changed
from pepland_data.inputs.read_input import (
    check_input,
    file_state,
    read_blocks,
    spool,
    standard_input_at,
)
from pepland_data.store.graph_store import open_store
from pepland_data.store.manifest import (
    BUILD_FOLDER,
    MANIFEST_FILE,
    Manifest,
    read_manifest,
    write_manifest,
)

ARROW_FOLDER = "arrow"
"""Folder in the unfinished build for the Arrow store that is converted to Zarr."""
STDIN_FILE = "stdin.txt"
"""Copy of standard input in the unfinished build."""
ROWS_PER_TASK, TASKS_LEFT = 8000, 4
"""Most rows that one task converts; fewer if a worker would have less than so many tasks left.

A task costs this process half a millisecond, and a worker without a task waits."""
SHARED_SECONDS = 60.0
"""Time after which a network file system must show the files of a worker."""


@dataclass(frozen=True)
class BuildReport:
    """Result of a build."""

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
    """``kind: note`` -> rows: what standardization changed and what RDKit warned about."""
    cache: dict[str, int] = field(default_factory=dict)
    """Pieces of molecules ``asked`` for, and those ``known`` from earlier molecules."""
    early_notes: list[str] = field(default_factory=list)
    """What the first rows show; also a warning before they are converted."""

    @property
    def reject_fraction(self) -> float:
        """Share of the rows that are rejects."""
        return self.rejects / self.rows if self.rows else 0.0


def build_local(
    source: str | Path, out: Path, options: BuildOptions, progress: StageProgress
) -> BuildReport:
    """Turn a local file into a store in a folder; arguments as for `build`."""
    start = time.perf_counter()
    if str(source) != "-":
        check_input(Path(source))
    _check_folder(out)
    work = out / BUILD_FOLDER
    with standard_input_at(work / STDIN_FILE), BuildLock(work) as lock:
        return _build_locked(source, out, options, progress, lock, start)


def _build_locked(
    source: str | Path,
    out: Path,
    options: BuildOptions,
    progress: StageProgress,
    lock: BuildLock,
    start: float,
) -> BuildReport:
    work = out / BUILD_FOLDER
    try:
        path = _input_path(source, work)
        before = file_state(path)
        recipe = recipe_of(path, options, str(source))
        if (out / MANIFEST_FILE).exists():
            report = already_built(str(out), read_manifest(out), recipe)
            lock.release(clear=True)
            return report
        start_or_resume(work, recipe)
        summaries, early = _convert(path, work, options, rows_of(recipe), progress)
        if file_state(path) != before and file_sha256(path) != recipe["input"]["sha256"]:
            raise changed(path)
        if not summaries:
            raise InputError(f"{source} holds no rows; expected one peptide per row")
        resumed = sum(summary.resumed for summary in summaries)
        if options.featurize.dedup:
            run = partial(options.runner.run, ordered=True)
            summaries = drop_duplicates(work, summaries, run)
    except InputError:
        _delete_if_empty(out, work, lock)
        raise
    if options.format == "zarr":
        manifest = _commit_zarr(out, work, summaries, recipe, options, progress)
    else:
        manifest = commit(out, work, summaries, recipe, options.runner, progress)
    write_manifest(out, manifest)
    delete_chunks(work, options.runner)
    lock.release(clear=True)
    return replace(_report(out, manifest, summaries, start, resumed), early_notes=early)


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds something other than a store or an unfinished build."""
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out} is a file; name another folder with --out")
    ours = (out / MANIFEST_FILE).exists() or (out / BUILD_FOLDER).is_dir()
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise BuildError(f"{out} holds other files and no store; name an empty or new folder")


def _input_path(source: str | Path, work: Path) -> Path:
    if str(source) != "-":
        return Path(source)
    path = work / STDIN_FILE
    spool(sys.stdin.buffer, path)
    check_input(path)
    return path


def already_built(out: str, manifest: Manifest, recipe: dict[str, Any]) -> BuildReport:
    """Return the report for a finished store; BuildError if its recipe is another one."""
    found = {
        "versions": dict(manifest.versions),
        "options": dict(manifest.options),
        "input": {k: v for k, v in manifest.input.items() if k not in ("rows", "parts")},
        "store": {"format": manifest.kind},
    }
    if changed := changes(found, recipe):
        raise BuildError(
            f"{out} is a finished store with another recipe ({changed}); name another folder, "
            "or delete this one to build it again"
        )
    return _report(out, manifest, [], time.perf_counter(), len(manifest.shards), True)


def _delete_if_empty(out: Path, work: Path, lock: BuildLock) -> None:
    """Delete the folders of a build whose input cannot be used, unless chunks are converted."""
    if not any(work.glob("*/done.json")):
        lock.release(clear=True)
        with suppress(OSError):  # the folder holds other files
            out.rmdir()


def _convert(
    path: Path, work: Path, options: BuildOptions, part: range | None, progress: StageProgress
) -> tuple[list[ShardSummary], list[str]]:
    """Return the summaries of all chunks in order, and what is said about the first rows."""
    input_format, by_place = options.featurize.input_format, options.engine == "local"
    total = None if part is None else len(part)
    blocks = read_blocks(
        path, options.rows_per_shard, options.smiles_column, input_format, part, by_place,
        options.keep_index,
    )  # fmt: skip
    notes, blocks = _early_notes(blocks, work, options)
    groups = task_blocks(blocks, options, part, path.stat().st_size)
    tasks = ((group, options.featurize, work.absolute()) for group in groups)
    summaries: list[ShardSummary] = []
    first_rows = FirstRows(options.max_reject_frac)
    rows = 0
    progress("convert", 0, total)  # the first chunk waits for processes to start
    with closing(options.runner.run(convert_chunks, tasks, ordered=False)) as done:
        for summary in (one for group in done for one in group):
            if not summaries:
                _check_shared(work / summary.folder)
            summaries.append(summary)
            rows += summary.rows
            progress("convert", rows, total)
            first_rows.add(summary)
    return sorted(summaries, key=lambda s: s.number), notes


def _early_notes(
    blocks: Iterator[Block], work: Path, options: BuildOptions
) -> tuple[list[str], Iterator[Block]]:
    """Warn of what the first rows show, unless they were converted by an interrupted build."""
    if (work / f"{0:06d}" / DONE_FILE).exists():
        return [], blocks
    return warn_early(blocks, options.featurize)


def task_blocks(
    blocks: Iterable[Block], options: BuildOptions, part: range | None, size: int
) -> Iterator[list[tuple[int, Block]]]:
    """Yield the numbered blocks of each task; the last tasks are small: all workers end together.

    Args:
        blocks: blocks of the input.
        options: options of the build.
        part: rows of the blocks, None if their number is unknown.
        size: size of the input in bytes.
    """
    group: list[tuple[int, Block]] = []
    most = ROWS_PER_TASK // options.rows_per_shard if options.workers > 1 else 1
    for number, block in enumerate(blocks):
        group.append((number, block))
        left = _blocks_left(block, part, size)
        if len(group) >= min(most, left // (TASKS_LEFT * options.workers)):
            yield group
            group = []
    if group:
        yield group


def _blocks_left(block: Block, part: range | None, size: int) -> int:
    """Return an estimate of the number of blocks after this one; 0 if it is unknown."""
    if part is not None:
        return (len(part) - block.first_row) // max(len(block), 1)
    if isinstance(block, LineBlock) and isinstance(block.lines, FileSpan):
        return (size - block.lines.start) // max(block.lines.size, 1)
    return 0


def _check_shared(folder: Path) -> None:
    """Raise BuildError if this process cannot see the folder that a worker wrote."""
    until = time.monotonic() + SHARED_SECONDS
    while not (folder / DONE_FILE).exists():
        if time.monotonic() > until:
            raise BuildError(
                f"a worker wrote {folder}, which this process cannot see; "
                "all workers must see the folder of the store under the same path"
            )
        time.sleep(0.2)


def _commit_zarr(
    out: Path,
    work: Path,
    summaries: list[ShardSummary],
    recipe: dict[str, Any],
    options: BuildOptions,
    progress: StageProgress,
) -> Manifest:
    """Write a temporary Arrow store and convert it to Zarr; return the manifest."""
    arrow = work / ARROW_FOLDER
    write_manifest(arrow, commit(arrow, work, summaries, recipe, options.runner, progress))
    compress = partial(progress, "compress")
    return write_zarr(open_store(arrow), out, options.runner, compress)


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
        reasons=total(s.rejects for s in summaries),
        notes=total(s.notes for s in summaries),
        cache=total(s.cache for s in summaries),
        bytes=sum(entry.bytes for entry in manifest.entries()),
        seconds=time.perf_counter() - start,
        nothing_to_do=nothing_to_do,
        resumed_shards=resumed,
    )
