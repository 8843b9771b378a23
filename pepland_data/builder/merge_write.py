"""Write a merged store: shards, sizes, rejects, notes, and its manifest."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pepland_data.builder.commit import CountProgress, write_table_files
from pepland_data.builder.merge_layout import MergeTarget, ShardSlice, shard_slices
from pepland_data.files.atomic import write_atomic
from pepland_data.graph.columns import GROUPS, concat
from pepland_data.inputs.part import joined_parts
from pepland_data.store.arrow_shards import (
    SIZES_FILE,
    ShardData,
    large_texts,
    write_arrow_shard,
    write_sizes,
)
from pepland_data.store.manifest import FileEntry, Manifest
from pepland_data.store.manifest_form import NOTES, REJECTS
from pepland_data.store.row_files import read_rows


class ShardWriter:
    """Writes merged shards; a shard that does not change is copied or linked as a file."""

    def __init__(self, folder: Path, target: MergeTarget, link: bool, reuse: bool) -> None:
        self.folder, self.target, self.link, self.reuse = folder, target, link, reuse
        self.reused = 0

    def write(self, name: str, slices: Sequence[ShardSlice]) -> FileEntry:
        """Write one shard and return its entry."""
        path = self.folder / name
        if self.reuse and self._unchanged(slices):
            self.reused += 1
            self._copy(slices[0], path)
        else:
            write_arrow_shard(path, self.join(slices), self.target.dtypes)
        return FileEntry.of(self.folder, name, sum(p.stop - p.start for p in slices))

    def _unchanged(self, slices: Sequence[ShardSlice]) -> bool:
        """Whether the merged shard is bit-identical to a shard of its store."""
        first = slices[0]
        source, target = self.target.sources[first.source], self.target
        manifest = source.store.manifest
        if len(slices) > 1 or source.first_row or manifest.kind != "arrow":
            return False
        whole = first.stop - first.start == manifest.shards[first.shard].rows
        data = source.store.shard(first.shard)
        same_types = [(n, a.type) for n, a in data.extra.items()] == list(target.columns.items())
        return whole and same_types and source.same_codes and manifest.dtypes == target.dtypes

    def _copy(self, one: ShardSlice, path: Path) -> None:
        store = self.target.sources[one.source].store
        old = (store.path / store.manifest.shards[one.shard].file).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.link:
            try:
                path.hardlink_to(old)
                return
            except OSError:  # no links on this file system: copy
                pass
        with old.open("rb") as file:
            write_atomic(path, lambda new: shutil.copyfileobj(file, new, 1 << 20))

    def join(self, slices: Sequence[ShardSlice]) -> ShardData:
        """Return the graphs of some slices with the codes and columns of the merged store."""
        parts = [self._part(one) for one in slices]
        return ShardData(
            concat([part.columns for part in parts]),
            np.concatenate([part.row_id for part in parts]),
            pa.concat_arrays([part.smiles for part in parts]),
            {n: pa.concat_arrays([p.extra[n] for p in parts]) for n in self.target.columns},
        )

    def _part(self, one: ShardSlice) -> ShardData:
        source = self.target.sources[one.source]
        data, rows = source.store.shard(one.shard), slice(one.start, one.stop)
        count = one.stop - one.start
        extra = {
            name: data.extra[name][rows].cast(kind) if name in data.extra else pa.nulls(count, kind)
            for name, kind in self.target.columns.items()
        }
        return ShardData(
            data.columns.slice(one.start, one.stop).recode(source.recode),
            data.row_id[rows] + source.first_row,
            large_texts(data.smiles[rows]),
            extra,
        )


def write_all(
    work: Path, target: MergeTarget, writer: ShardWriter, progress: CountProgress
) -> Manifest:
    """Write every file of the merged store but its manifest, and return the manifest."""
    files = write_table_files(work, target.tables)
    all_slices = shard_slices(target)
    shards = []
    for number, slices in enumerate(all_slices):
        shards.append(writer.write(f"shards/{number:06d}.arrow", slices))
        progress(number + 1, len(all_slices))
    stores = [source.store for source in target.sources]
    sizes = {
        f"num_{g}s": np.concatenate([getattr(s, f"num_{g}s") for s in stores]).astype(np.int64)
        for g in GROUPS
    }
    write_sizes(work / SIZES_FILE, sizes)
    rejects = _write_rows(work / REJECTS, target)
    noted = any(store.manifest.lists(NOTES) for store in stores)
    notes = _write_rows(work / NOTES, target) if noted else 0
    graphs = sum(len(s) for s in stores)
    files += [FileEntry.of(work, SIZES_FILE, graphs), FileEntry.of(work, REJECTS, rejects)]
    files += [FileEntry.of(work, NOTES, notes)] if noted else []
    counts = {"rows": sum(s.rows for s in target.sources), "graphs": graphs, "rejects": rejects}
    counts |= {f"{g}s": int(sizes[f"num_{g}s"].sum()) for g in GROUPS}
    return _manifest(target, counts, files, shards)


def _manifest(
    target: MergeTarget, counts: dict[str, int], files: list[FileEntry], shards: list[FileEntry]
) -> Manifest:
    return Manifest(
        counts=counts,
        columns=tuple(target.columns),
        dtypes=target.dtypes,
        files=tuple(files),
        shards=tuple(shards),
        **described(target),
    )


def described(target: MergeTarget) -> dict[str, Any]:
    """Return the manifest fields that follow from the merged stores alone."""
    stores = [source.store for source in target.sources]
    first = stores[0].manifest
    columns = {s.manifest.options["smiles_column"] for s in stores}
    options = {**first.options, "rows_per_shard": target.rows_per_shard}
    options["smiles_column"] = columns.pop() if len(columns) == 1 else None
    return {
        "kind": "arrow",
        "versions": first.versions,
        "options": options,
        "input": joined_input([s.manifest for s in stores]),
    }


def joined_input(manifests: Sequence[Manifest]) -> dict[str, Any]:
    """Return the manifest entry for the inputs: one, parts of one, or several."""
    inputs = [part for m in manifests for part in input_parts(m)]
    if joined := joined_parts(inputs):
        return joined
    if len(inputs) == 1:
        return inputs[0]
    digest = sha256("\n".join(part["sha256"] for part in inputs).encode()).hexdigest()
    name = " + ".join(part["name"] for part in inputs)
    rows = sum(part["rows"] for part in inputs)
    return {"name": name, "sha256": digest, "rows": rows, "parts": inputs}


def input_parts(manifest: Manifest) -> list[dict[str, Any]]:
    """Return name, SHA-256 and rows of each input that a store was made from.

    What was excluded from a merged store was excluded from each of its parts.
    """
    whole = manifest.input
    if "parts" not in whole:
        return [dict(whole)]
    excluded = whole.get("excluded", [])
    found = [(part, [*part.get("excluded", []), *excluded]) for part in whole["parts"]]
    return [{**part, **({"excluded": all_of} if all_of else {})} for part, all_of in found]


def _write_rows(path: Path, target: MergeTarget) -> int:
    """Join the rejects or notes of the stores, in the row groups that a build writes."""
    parts = []
    for source in target.sources:
        if not source.store.manifest.lists(path.name):
            continue
        table = read_rows(source.store.path, source.store.manifest, path.name)
        rows = pa.array(table["row_id"].to_numpy() + source.first_row, pa.int64())
        parts.append(table.set_column(0, "row_id", rows))
    joined = pa.concat_tables(parts).combine_chunks()
    rows = joined["row_id"].to_numpy() // target.rows_per_shard
    chunks = -(-sum(source.rows for source in target.sources) // target.rows_per_shard)
    ends = np.searchsorted(rows, np.arange(chunks + 1))
    batches = [
        batch
        for start, stop in pairwise(ends)
        for batch in joined.slice(start, stop - start).to_batches()
    ]
    table = pa.Table.from_batches(batches, joined.schema)
    write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))
    return len(table)
