"""Write joined stores: shards, sizes, rejects, and what the manifest says of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pepland_data.builder.merge_layout import MergeTarget, ShardSlice, shard_slices
from pepland_data.files.atomic import write_atomic
from pepland_data.graph.columns import GROUPS, concat
from pepland_data.inputs.part import joined_parts
from pepland_data.store.arrow_shards import (
    SIZES_FILE,
    TABLE_FILES,
    ShardData,
    large_texts,
    write_arrow_shard,
    write_sizes,
    write_tables,
)
from pepland_data.store.manifest import FileEntry, Manifest

REJECTS = "rejects.parquet"
NOTES = "notes.parquet"
Progress = Callable[[int, int], None]


class ShardWriter:
    """Writes joined shards; one that would not change is taken over as a file."""

    def __init__(self, folder: Path, target: MergeTarget, link: bool, reuse: bool) -> None:
        self.folder, self.target, self.link, self.reuse = folder, target, link, reuse
        self.reused = 0

    def write(self, name: str, pieces: Sequence[ShardSlice]) -> FileEntry:
        """Write one shard and return its entry."""
        path = self.folder / name
        if self.reuse and self._unchanged(pieces):
            self.reused += 1
            self._take_over(pieces[0], path)
        else:
            write_arrow_shard(path, self.join(pieces), self.target.dtypes)
        return FileEntry.of(self.folder, name, sum(p.stop - p.start for p in pieces))

    def _unchanged(self, pieces: Sequence[ShardSlice]) -> bool:
        """Whether the joined shard is a shard of its store to the last byte."""
        first = pieces[0]
        source, target = self.target.sources[first.source], self.target
        manifest = source.store.manifest
        if len(pieces) > 1 or source.first_row or manifest.kind != "arrow":
            return False
        whole = first.stop - first.start == manifest.shards[first.shard].rows
        data = source.store.shard(first.shard)
        same_types = [(n, a.type) for n, a in data.extra.items()] == list(target.columns.items())
        return whole and same_types and source.same_codes and manifest.dtypes == target.dtypes

    def _take_over(self, piece: ShardSlice, path: Path) -> None:
        store = self.target.sources[piece.source].store
        old = store.path / store.manifest.shards[piece.shard].file
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.link:
            try:
                path.hardlink_to(old)
                return
            except OSError:  # a file system without links: copy
                pass
        with old.open("rb") as file:
            write_atomic(path, lambda new: shutil.copyfileobj(file, new, 1 << 20))

    def join(self, pieces: Sequence[ShardSlice]) -> ShardData:
        """Return the graphs of some pieces with the codes and columns of the joined store."""
        parts = [self._part(piece) for piece in pieces]
        return ShardData(
            concat([part.columns for part in parts]),
            np.concatenate([part.row_id for part in parts]),
            pa.concat_arrays([part.smiles for part in parts]),
            {n: pa.concat_arrays([p.extra[n] for p in parts]) for n in self.target.columns},
        )

    def _part(self, piece: ShardSlice) -> ShardData:
        source = self.target.sources[piece.source]
        data, rows = source.store.shard(piece.shard), slice(piece.start, piece.stop)
        count = piece.stop - piece.start
        extra = {
            name: data.extra[name][rows].cast(kind) if name in data.extra else pa.nulls(count, kind)
            for name, kind in self.target.columns.items()
        }
        return ShardData(
            data.columns.slice(piece.start, piece.stop).recode(source.recode),
            data.row_id[rows] + source.first_row,
            large_texts(data.smiles[rows]),
            extra,
        )


def write_all(work: Path, target: MergeTarget, writer: ShardWriter, progress: Progress) -> Manifest:
    """Write every file of the joined store but its manifest, and return that."""
    write_tables(work, target.tables)
    plan = shard_slices(target)
    shards = []
    for place, pieces in enumerate(plan):
        shards.append(writer.write(f"shards/{place:06d}.arrow", pieces))
        progress(place + 1, len(plan))
    stores = [source.store for source in target.sources]
    sizes = {
        f"num_{g}s": np.concatenate([getattr(s, f"num_{g}s") for s in stores]).astype(np.int64)
        for g in GROUPS
    }
    write_sizes(work / SIZES_FILE, sizes)
    rejects = _write_rows(work / REJECTS, target)
    noted = any((store.path / NOTES).exists() for store in stores)
    notes = _write_rows(work / NOTES, target) if noted else 0
    t, graphs = target.tables, sum(len(s) for s in stores)
    table_rows = (len(t.atom_x), len(t.bond_x), len(t.fragment_x))
    files = [
        *(FileEntry.of(work, f, n) for f, n in zip(TABLE_FILES, table_rows, strict=True)),
        FileEntry.of(work, SIZES_FILE, graphs),
        FileEntry.of(work, REJECTS, rejects),
        *([FileEntry.of(work, NOTES, notes)] if noted else []),
    ]
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
    """Return what a manifest says of what a joined store was made from."""
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
    """Return what is known of the inputs: of one, of parts of one, or a list of several."""
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
    """Return name, SHA-256 and rows of each input that a store was made from."""
    return [dict(part) for part in manifest.input.get("parts", [manifest.input])]


def _write_rows(path: Path, target: MergeTarget) -> int:
    """Join what each store says of its rows, in the pieces in which a build writes them."""
    parts = []
    for source in target.sources:
        if not (source.store.path / path.name).exists():
            continue
        table = pq.read_table(source.store.path / path.name)
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
