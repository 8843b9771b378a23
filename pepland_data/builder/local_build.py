"""Build a store in a folder: shards in parallel, one set of codes for all, then the manifest."""

from __future__ import annotations

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
from pepland_data.builder.duplicates import drop_duplicates
from pepland_data.builder.options import BuildOptions
from pepland_data.builder.recipe import changes, recipe_of, rows_of, start_or_resume
from pepland_data.builder.workers.convert_chunk import DONE_FILE, ShardSummary, convert_chunks
from pepland_data.builder.write_zarr import write_zarr
from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import file_sha256
from pepland_data.files.folder_lock import BuildLock
from pepland_data.inputs.input_blocks import (
    Block,
    FileSpan,
    LineBlock,
    changed,
    check_input,
    file_state,
    read_blocks,
    spool,
)
from pepland_data.store.graph_store import open_store
from pepland_data.store.manifest import (
    BUILD_FOLDER,
    MANIFEST_FILE,
    Manifest,
    read_manifest,
    write_manifest,
)

ASIDE = "arrow"
"""Folder inside the build for the Arrow store that a Zarr store is made of."""
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


def build_local(
    source: str | Path, out: Path, options: BuildOptions, progress: Progress
) -> BuildReport:
    """Turn a file of this machine into a store in a folder; arguments are those of `build`."""
    start = time.perf_counter()
    if str(source) != "-":
        check_input(Path(source))
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
    recipe = recipe_of(path, options, str(source))
    if (out / MANIFEST_FILE).exists():
        report = already_built(str(out), read_manifest(out), recipe)
        lock.release(clear=True)
        return report
    start_or_resume(work, recipe)
    try:
        summaries, resumed = _convert(path, work, options, rows_of(recipe), progress)
        if file_state(path) != before and file_sha256(path) != recipe["input"]["sha256"]:
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
        manifest = _commit_zarr(out, work, summaries, recipe, options, progress)
    else:
        manifest = commit(out, work, summaries, recipe, options.runner, progress)
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


def already_built(out: str, manifest: Manifest, recipe: dict[str, Any]) -> BuildReport:
    """Return the report of a build that finds its store finished; refuse another build's store."""
    found = {
        "versions": dict(manifest.versions),
        "options": dict(manifest.options),
        "input": {k: v for k, v in manifest.input.items() if k not in ("rows", "parts")},
        "store": {"format": manifest.kind},
    }
    if changed := changes(found, recipe):
        raise BuildError(
            f"{out} is a finished store of another build ({changed}); name another folder, "
            "or delete this one to build it again"
        )
    return _report(out, manifest, [], time.perf_counter(), len(manifest.shards), True)


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
    if isinstance(block, LineBlock) and isinstance(block.lines, FileSpan):
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
    recipe: dict[str, Any],
    options: BuildOptions,
    progress: Progress,
) -> Manifest:
    """Make the Arrow store aside, and of it everything of the Zarr store but the manifest."""
    aside = work / ASIDE
    write_manifest(aside, commit(aside, work, summaries, recipe, options.runner, progress))
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
