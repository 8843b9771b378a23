"""A store of any size for benchmarks: a few thousand peptides, built once and then repeated.

The cost of loading does not depend on the content of a graph, so repeated peptides cost as much as
different ones, and a build takes seconds.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from pepland_data import BuildOptions, GraphStore, build, open_store
from pepland_data.graph.columns import GROUPS
from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from pepland_data.store.arrow_shards import (
    SIZES_FILE,
    TABLE_FILES,
    ShardData,
    write_arrow_shard,
    write_sizes,
)
from pepland_data.store.manifest import FileEntry, write_manifest

ROWS_PER_SHARD = 16384


def repeated_store(folder: Path, graphs: int, distinct: int) -> GraphStore:
    """Return a store of `graphs` peptides in `folder`; it is made if it does not exist."""
    target, source = folder / f"repeated_{graphs}_{distinct}", folder / f"distinct_{distinct}"
    if not (source / "manifest.json").is_file():
        write_peptides(str(folder / "distinct.csv"), SynthOptions(distinct, median_length=15))
        build(folder / "distinct.csv", source, BuildOptions(workers=2))
    if not (target / "manifest.json").is_file():
        write_repeated(open_store(source), target, graphs)
    return open_store(target)


def write_repeated(store: GraphStore, target: Path, graphs: int) -> None:
    """Write a store whose row i is row ``i % len(store)`` of another."""
    (target / "tables").mkdir(parents=True)
    (target / "shards").mkdir()
    for name in (*TABLE_FILES, "rejects.parquet"):
        (target / name).write_bytes((store.path / name).read_bytes())
    rows = np.arange(graphs) % len(store)
    entries = []
    for number, start in enumerate(range(0, graphs, ROWS_PER_SHARD)):
        file = f"shards/{number:05d}.arrow"
        chosen = rows[start : start + ROWS_PER_SHARD]
        write_arrow_shard(target / file, _repeat(store, chosen, start), store.manifest.dtypes)
        entries.append(FileEntry.of(target, file, len(chosen)))
    sizes = {f"num_{g}s": np.asarray(getattr(store, f"num_{g}s"))[rows] for g in GROUPS}
    write_sizes(target / SIZES_FILE, {k: v.astype(np.int64) for k, v in sizes.items()})
    rejects = store.manifest.counts["rejects"]
    counts = {"rows": graphs + rejects, "graphs": graphs, "rejects": rejects}
    counts |= {f"{g}s": int(sizes[f"num_{g}s"].sum(dtype=np.int64)) for g in GROUPS}
    counts = {**store.manifest.counts, **counts}
    files = tuple(FileEntry.of(target, e.file, e.rows) for e in store.manifest.files)
    write_manifest(
        target,
        replace(store.manifest, counts=counts, files=files, shards=tuple(entries), columns=()),
    )


def _repeat(store: GraphStore, rows: np.ndarray, start: int) -> ShardData:
    smiles = pa.concat_arrays([store.shard(s).smiles for s in range(store.num_shards)])
    numbers = np.arange(start, start + len(rows))
    return ShardData(store.gather(rows), numbers, smiles.take(pa.array(rows)), {})
