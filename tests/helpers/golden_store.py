"""Stores written from golden graphs, for tests on machines without RDKit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pepland_data import GraphStore, open_store
from pepland_data.graph.columns import GROUPS, concat
from pepland_data.graph.feature_tables import merge_tables
from pepland_data.store.arrow_shards import (
    SIZES_FILE,
    TABLE_FILES,
    ShardData,
    write_arrow_shard,
    write_sizes,
    write_tables,
)
from pepland_data.store.manifest import FileEntry, Manifest, write_manifest
from pepland_data.store.manifest_form import REJECTS
from tests.helpers.pretrain_data import golden_graphs


def golden_molecule(npz: dict[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
    """Return molecule i of a golden file as the arrays of `HeteroGraph.dense`."""
    rows = {
        group: slice(npz[f"{group}_ptr"][i], npz[f"{group}_ptr"][i + 1])
        for group in ("atom", "fragment", "bond", "reaction")
    }
    skip = {"smiles", "name", "fragment_label"}
    arrays = {k: v for k, v in npz.items() if k not in skip and not k.endswith("_ptr")}
    return {
        name: value[:, rows[name.split("_")[0]]]
        if name.endswith("_index")
        else value[rows[name.split("_")[0]]]
        for name, value in arrays.items()
    }


def write_golden_store(folder: Path, which: slice, rows_per_shard: int) -> GraphStore:
    """Write some golden graphs as a store with the column ``length``, and open it."""
    graphs = golden_graphs()[which]
    tables, recodes = merge_tables([graph.tables for graph in graphs])
    columns = concat([g.columns.recode(r) for g, r in zip(graphs, recodes, strict=True)])
    for name in ("shards", "tables"):
        (folder / name).mkdir(parents=True)
    write_tables(folder, tables)
    sizes = {f"num_{group}s": columns.sizes(group) for group in GROUPS}
    write_sizes(folder / SIZES_FILE, sizes)
    dtypes = {name: "uint16" for names in GROUPS.values() for name in names}
    shards = []
    for start in range(0, len(graphs), rows_per_shard):
        chosen = np.arange(start, min(start + rows_per_shard, len(graphs)))
        smiles = [graphs[row].smiles for row in chosen]
        lengths = {"length": pa.array([len(text) for text in smiles], pa.int64())}
        data = ShardData(columns.take(chosen), chosen, pa.array(smiles), lengths)
        file = f"shards/{len(shards):05d}.arrow"
        write_arrow_shard(folder / file, data, dtypes)
        shards.append(FileEntry.of(folder, file, len(chosen)))
    counts = {"rows": len(graphs), "graphs": len(graphs), "rejects": 0}
    counts |= {f"{group}s": int(sizes[f"num_{group}s"].sum()) for group in GROUPS}
    texts = {name: pa.array([], pa.large_string()) for name in ("text", "stage", "reason")}
    pq.write_table(pa.table({"row_id": pa.array([], pa.int64()), **texts}), folder / REJECTS)
    files = tuple(FileEntry.of(folder, file, 0) for file in (*TABLE_FILES, SIZES_FILE, REJECTS))
    options = {"cut": "adafrag", "rows_per_shard": rows_per_shard, "smiles_column": None}
    versions = {"rdkit": "none", "featurizer": "1"}
    source = {"name": "golden", "rows": len(graphs), "sha256": "0" * 64}
    write_manifest(
        folder,
        Manifest(
            "arrow", versions, options, source, counts, ("length",), dtypes, files, tuple(shards)
        ),
    )
    return open_store(folder)
