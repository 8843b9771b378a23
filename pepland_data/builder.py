"""Build a store: local shards in parallel, then one set of codes for all, then the manifest."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pepland_data.arrow_format import (
    SIZES_FILE,
    TABLE_FILES,
    map_batch,
    narrowest,
    read_tables,
    write_sizes,
    write_tables,
)
from pepland_data.atomic import file_sha256, remove_leftovers, write_atomic, write_atomic_bytes
from pepland_data.columns import GROUPS
from pepland_data.conversion import FEATURIZER_VERSION, FeaturizeOptions
from pepland_data.dedup import drop_duplicates
from pepland_data.errors import BuildError, InputError
from pepland_data.inputs import check_input, read_chunks, spool
from pepland_data.manifest import (
    BUILD_FOLDER,
    MANIFEST_FILE,
    FileEntry,
    Manifest,
    read_manifest,
    write_manifest,
)
from pepland_data.tables import FeatureTables, merge_tables
from pepland_data.worker import (
    NOTES_FILE,
    REJECTS_FILE,
    ShardSummary,
    convert_chunk,
    finished,
    recode_chunk,
)

REJECTS = "rejects.parquet"
NOTES = "notes.parquet"
"""Rows that standardization changed or RDKit warned of; there only if there are any."""
PLAN_FILE = "plan.json"
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class BuildOptions:
    """How a build runs; `featurize`, the column and the rows per shard decide the bytes."""

    featurize: FeaturizeOptions = field(default_factory=FeaturizeOptions)
    """What decides which graph a text becomes."""
    smiles_column: str | None = None
    """Column of the text; None finds it."""
    rows_per_shard: int = 1000
    """Input rows per shard."""
    workers: int = 1
    """Processes; does not change a byte of the store."""

    def __post_init__(self) -> None:
        if self.workers < 1 or self.rows_per_shard < 1:
            raise InputError("workers and rows per shard must be 1 or more")


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
        source: CSV, TSV, .smi, .txt, FASTA or Parquet, gzipped or not, or ``-``.
        out: folder of the store.
        options: see `BuildOptions`.
        progress: called with stage, rows or shards done, and their number where known.

    Raises:
        InputError: the input cannot be used.
        BuildError: the folder holds something else, or an unfinished build of another kind.
    """
    options, out, start = options or BuildOptions(), Path(out), time.perf_counter()
    if str(source) != "-":
        check_input(Path(source))
    work = out / BUILD_FOLDER
    _claim(out)
    path = _input_path(source, work)
    plan = _plan(path, options, str(source))
    if (out / MANIFEST_FILE).exists():
        return _already_built(out, plan, start)
    _start_or_resume(work, plan)
    try:
        summaries, resumed = _convert(path, work, options, progress)
        if not summaries:
            raise InputError(f"{source} holds no rows; expected one peptide a row")
        if options.featurize.dedup:
            run = partial(_run_ordered, options=options)
            summaries = drop_duplicates(work, summaries, run)
    except InputError:
        _forget_empty(out, work)
        raise
    manifest = _commit(out, work, summaries, plan, options, progress)
    write_manifest(out, manifest)
    shutil.rmtree(work)
    return _report(out, manifest, summaries, start, resumed)


def _claim(out: Path) -> None:
    """Refuse a folder that holds something else; make it otherwise."""
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out} is a file; name another folder with --out")
    ours = (out / MANIFEST_FILE).exists() or (out / BUILD_FOLDER).is_dir()
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise BuildError(f"{out} holds other files and no store; name an empty or new folder")
    (out / BUILD_FOLDER).mkdir(parents=True, exist_ok=True)


def _input_path(source: str | Path, work: Path) -> Path:
    if str(source) != "-":
        return Path(source)
    path = work / "stdin.txt"
    spool(sys.stdin.buffer, path)
    check_input(path)
    return path


def _plan(path: Path, options: BuildOptions, name: str) -> dict[str, Any]:
    """Return what decides the bytes of the store."""
    import rdkit

    return {
        "versions": {"rdkit": rdkit.__version__, "featurizer": str(FEATURIZER_VERSION)},
        "options": {
            **options.featurize.record(),
            "smiles_column": options.smiles_column,
            "rows_per_shard": options.rows_per_shard,
        },
        "input": {"name": Path(name).name, "sha256": file_sha256(path)},
    }


def _already_built(out: Path, plan: dict[str, Any], start: float) -> BuildReport:
    manifest = read_manifest(out)
    found = {
        "versions": dict(manifest.versions),
        "options": dict(manifest.options),
        "input": {k: manifest.input[k] for k in ("name", "sha256")},
    }
    if changed := _changes(found, plan):
        raise BuildError(
            f"{out} is a finished store of another build ({changed}); name another folder, "
            "or delete this one to build it again"
        )
    shutil.rmtree(out / BUILD_FOLDER, ignore_errors=True)
    return _report(out, manifest, [], start, len(manifest.shards), nothing_to_do=True)


def _changes(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return in words what differs between two plans, '' where nothing does."""
    flat_old = {f"{k}.{n}": v for k, part in old.items() for n, v in part.items()}
    flat_new = {f"{k}.{n}": v for k, part in new.items() for n, v in part.items()}
    names = sorted(flat_old.keys() | flat_new.keys())
    different = [n for n in names if flat_old.get(n) != flat_new.get(n) and n != "input.name"]
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
    if changed := _changes(json.loads(path.read_bytes()), plan):
        raise BuildError(
            f"{work.parent} holds an unfinished build of another kind ({changed}); "
            "repeat the old command to finish it, or delete the folder"
        )


def _forget_empty(out: Path, work: Path) -> None:
    """Leave no trace of a build whose input cannot be used, unless it had got somewhere."""
    if not any(work.glob("*/done.json")):
        shutil.rmtree(work)
        if not any(out.iterdir()):
            out.rmdir()


def _convert(
    path: Path, work: Path, options: BuildOptions, progress: Progress
) -> tuple[list[ShardSummary], int]:
    """Return the summaries of all chunks in order, and how many were there already."""
    found: list[ShardSummary] = []
    fresh: list[ShardSummary] = []

    def todo() -> Iterator[tuple[Any, ...]]:
        chunks = read_chunks(
            path, options.rows_per_shard, options.smiles_column, options.featurize.input_format
        )
        for number, chunk in enumerate(chunks):
            summary = finished(work, number)
            if summary is None:
                yield number, chunk, options.featurize, work
            else:
                found.append(summary)

    for summary in _run(convert_chunk, todo(), options):
        fresh.append(summary)
        progress("convert", sum(s.rows for s in [*found, *fresh]), None)
    return sorted([*found, *fresh], key=lambda s: s.number), len(found)


def _run(
    function: Any, arguments: Iterable[tuple[Any, ...]], options: BuildOptions
) -> Iterator[Any]:
    """Run tasks in worker processes and yield their results as they end."""
    if options.workers == 1:
        yield from (function(*args) for args in arguments)
        return
    import joblib

    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(
            n_jobs=options.workers, return_as="generator_unordered", pre_dispatch="2*n_jobs"
        )
        yield from parallel(joblib.delayed(function)(*args) for args in arguments)


def _commit(
    out: Path,
    work: Path,
    summaries: list[ShardSummary],
    plan: dict[str, Any],
    options: BuildOptions,
    progress: Progress,
) -> Manifest:
    """Give all shards one set of codes, and write everything but the manifest."""
    tables, recodes = merge_tables([read_tables(work / s.folder) for s in summaries])
    write_tables(out, tables)
    dtypes, kinds = _dtypes(tables, summaries), _column_kinds(summaries)
    full = [(s, r) for s, r in zip(summaries, recodes, strict=True) if s.graphs]
    names = [f"shards/{place:06d}.arrow" for place in range(len(full))]
    arguments = [
        (work / s.folder, out / name, r, dtypes, kinds)
        for (s, r), name in zip(full, names, strict=True)
    ]
    sizes: list[dict[str, Any]] = []
    for size in _run_ordered(recode_chunk, arguments, options):
        sizes.append(size)
        progress("commit", len(sizes), len(full))
    total = _join_sizes(sizes)
    write_sizes(out / SIZES_FILE, total)
    rejects = _write_rows(out / REJECTS, [work / s.folder / REJECTS_FILE for s in summaries])
    notes = _write_notes(out / NOTES, [work / s.folder / NOTES_FILE for s in summaries])
    _forget_old_shards(out, set(names))
    shards = [FileEntry.of(out, n, s.graphs) for n, (s, _) in zip(names, full, strict=True)]
    graphs = sum(s.graphs for s in summaries)
    table_rows = (len(tables.atom_x), len(tables.bond_x), len(tables.fragment_x))
    files = [
        *(FileEntry.of(out, f, n) for f, n in zip(TABLE_FILES, table_rows, strict=True)),
        FileEntry.of(out, SIZES_FILE, graphs),
        FileEntry.of(out, REJECTS, rejects),
        *([FileEntry.of(out, NOTES, notes)] if notes else []),
    ]
    rows = sum(s.rows for s in summaries)
    if graphs + rejects != rows:
        raise BuildError(f"{graphs} graphs and {rejects} rejects are not {rows} rows; report this")
    counts = {"rows": rows, "graphs": graphs, "rejects": rejects}
    counts |= {f"{g}s": int(total[f"num_{g}s"].sum()) for g in GROUPS}
    return Manifest(
        kind="arrow",
        versions=plan["versions"],
        options=plan["options"],
        input={**plan["input"], "rows": rows},
        counts=counts,
        columns=tuple(kinds),
        dtypes=dtypes,
        files=tuple(files),
        shards=tuple(shards),
    )


def _run_ordered(function: Any, arguments: list[tuple[Any, ...]], options: BuildOptions) -> Any:
    if options.workers == 1:
        return (function(*args) for args in arguments)
    import joblib

    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=options.workers, return_as="generator")
        return parallel(joblib.delayed(function)(*args) for args in arguments)


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
    order = ["int", "float", "text"]
    kinds: dict[str, str] = {}
    for summary in summaries:
        for name, kind in summary.column_kinds.items():
            old = kinds.get(name, kind)
            kinds[name] = kind if kind == "typed" else max(old, kind, key=order.index)
    return kinds


def _join_sizes(sizes: list[dict[str, Any]]) -> dict[str, Any]:
    names = [f"num_{group}s" for group in GROUPS]
    empty = np.zeros(0, np.int64)
    return {n: np.concatenate([empty, *(size[n] for size in sizes)]) for n in names}


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


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sums of several counts, largest first."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def _report(
    out: Path,
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
