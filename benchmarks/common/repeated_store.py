"""A store of any size for benchmarks: a few thousand peptides, built once and then repeated.

Peptides are random residues of `pepland_data.chem.notation.monomers`. The cost of loading does not
depend on the content of a graph, so repeated peptides cost as much as different ones, and a build
takes seconds.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from pepland_data import BuildOptions, GraphStore, build, open_store
from pepland_data.chem.notation.monomers import OTHER, SIDE_CHAINS, peptide
from pepland_data.graph.columns import GROUPS
from pepland_data.store.arrow_shards import (
    SIZES_FILE,
    TABLE_FILES,
    ShardData,
    write_arrow_shard,
    write_sizes,
)
from pepland_data.store.manifest import FileEntry, write_manifest

ROWS_PER_SHARD = 16384


def peptides(count: int, residues: int = 16, seed: int = 0) -> list[str]:
    """Return random peptides: about 8 atoms per residue, three of four residues natural."""
    generator = np.random.default_rng(seed)
    natural = [name for name in SIDE_CHAINS if len(name) == 1]
    others = [n for n in [*SIDE_CHAINS, *OTHER] if len(n) > 1 and "Pal" not in n]
    made = []
    for _ in range(count):
        size = int(generator.integers(residues - 6, residues + 7))
        names = [
            str(generator.choice(natural if generator.random() < 0.75 else others))
            for _ in range(size)
        ]
        made.append(peptide(names))
    return made


def repeated_store(
    folder: Path, graphs: int, distinct: int = 2000, rows_per_shard: int = ROWS_PER_SHARD
) -> GraphStore:
    """Return a store of `graphs` peptides in `folder`; it is made if it does not exist."""
    target = folder / f"repeated_{graphs}_{distinct}_{rows_per_shard}"
    if not (target / "manifest.json").is_file():
        write_repeated(_distinct_store(folder, distinct), target, graphs, rows_per_shard)
    return open_store(target)


def _distinct_store(folder: Path, distinct: int) -> GraphStore:
    target = folder / f"distinct_{distinct}"
    if not (target / "manifest.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / f"distinct_{distinct}.csv"
        with source.open("w", newline="") as file:
            csv.writer(file).writerows([["smiles"], *([text] for text in peptides(distinct))])
        build(source, target, BuildOptions(workers=2))
    return open_store(target)


def write_repeated(store: GraphStore, target: Path, graphs: int, rows_per_shard: int) -> None:
    """Write a store whose row i is row ``i % len(store)`` of another."""
    (target / "tables").mkdir(parents=True)
    (target / "shards").mkdir()
    for name in (*TABLE_FILES, "rejects.parquet"):
        (target / name).write_bytes((store.path / name).read_bytes())
    rows = np.arange(graphs) % len(store)
    entries = []
    for number, start in enumerate(range(0, graphs, rows_per_shard)):
        file = f"shards/{number:05d}.arrow"
        chosen = rows[start : start + rows_per_shard]
        write_arrow_shard(target / file, _repeat(store, chosen, start), store.manifest.dtypes)
        entries.append(FileEntry.of(target, file, len(chosen)))
    sizes = {f"num_{g}s": np.asarray(getattr(store, f"num_{g}s"))[rows] for g in GROUPS}
    write_sizes(target / SIZES_FILE, {k: v.astype(np.int64) for k, v in sizes.items()})
    counts = {"rows": graphs, "graphs": graphs, "rejects": 0}
    counts |= {f"{g}s": int(sizes[f"num_{g}s"].sum(dtype=np.int64)) for g in GROUPS}
    counts = {**store.manifest.counts, **counts}
    files = tuple(FileEntry.of(target, e.file, e.rows) for e in store.manifest.files)
    write_manifest(
        target,
        replace(store.manifest, counts=counts, files=files, shards=tuple(entries), columns=()),
    )


def _repeat(store: GraphStore, rows: np.ndarray, start: int) -> ShardData:
    import pyarrow as pa

    smiles = pa.concat_arrays([store.shard(s).smiles for s in range(store.num_shards)])
    numbers = np.arange(start, start + len(rows))
    return ShardData(store.gather(rows), numbers, smiles.take(pa.array(rows)), {})
