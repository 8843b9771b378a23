"""Export a store as Parquet, DGL or PyG files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import new_folder, write_atomic
from pepland_data.files.remote import is_remote, local_path
from pepland_data.store.arrow_shards import shard_batch, table_batches
from pepland_data.store.graph_store import GraphStore


@dataclass(frozen=True)
class ExportReport:
    """What was exported, and its size."""

    path: str
    kind: str
    graphs: int
    files: int
    bytes: int
    times_store: float
    """Bytes of the export over bytes of the store."""


def export(store: GraphStore, kind: str, out: str | Path) -> ExportReport:
    """Write all graphs of a store to a new folder, one file per shard.

    Args:
        store: an opened store.
        kind: ``parquet`` (codes and tables), ``dgl`` (for ``dgl.load_graphs``, row numbers as
            labels) or ``pyg`` (for ``InMemoryDataset.load``; the files are pickles, so load only
            files you made).
        out: folder that does not exist yet.

    Raises:
        InputError: the kind is unknown, or `out` is a URL.
        BuildError: `out` exists.
        MissingDependencyError: DGL or PyG is not installed.
    """
    if kind not in WRITERS:
        raise InputError(f"unknown export kind {kind!r}; expected one of {', '.join(WRITERS)}")
    if is_remote(out):
        raise InputError(
            f"export writes to this machine, not to {out}; name a local folder and copy it"
        )
    out = local_path(out)
    if out.exists():
        raise BuildError(f"{out} is there already; name a new folder")
    with new_folder(out, "exporting") as work:
        WRITERS[kind](store, work)
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return ExportReport(str(out), kind, len(store), len(files), size, size / store.nbytes)


def _write_parquet(store: GraphStore, out: Path) -> None:
    for s in range(store.num_shards):
        batch = shard_batch(store.shard(s), store.manifest.dtypes)
        _write_parquet_file(out / f"graphs/{s:06d}.parquet", batch)
    for name, batch in table_batches(store.tables).items():
        _write_parquet_file(out / Path(name).with_suffix(".parquet"), batch)


def _write_parquet_file(path: Path, batch: Any) -> None:
    table = pa.Table.from_batches([batch])
    write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))


def _write_dgl(store: GraphStore, out: Path) -> None:
    import torch

    from pepland_data.batch.arrays import BatchTables
    from pepland_data.batch.dgl_import import import_dgl
    from pepland_data.batch.hetero_batch import HeteroBatch

    dgl, tables = import_dgl(), BatchTables.from_tables(store.tables)
    for s in range(store.num_shards):
        graphs = HeteroBatch.from_columns(store.shard_columns(s), tables).to_dgl()
        labels = {"row_id": torch.from_numpy(store.shard(s).row_id.copy())}
        dgl.save_graphs(str(out / f"{s:06d}.bin"), dgl.unbatch(graphs), labels)


def _write_pyg(store: GraphStore, out: Path) -> None:
    import torch

    from pepland_data.batch.hetero_batch import HeteroBatch
    from pepland_data.batch.pyg_graphs import import_pyg

    dataset, row = import_pyg().InMemoryDataset, 0
    for s in range(store.num_shards):
        graphs = []
        for row_id in store.shard(s).row_id.tolist():
            data = HeteroBatch.from_graphs([store[row]]).to_pyg()
            for kind in ("atom", "fragment"):
                del data[kind].batch, data[kind].ptr
            data.row_id = torch.tensor([row_id])
            graphs.append(data)
            row += 1
        dataset.save(graphs, str(out / f"{s:06d}.pt"))


WRITERS: dict[str, Callable[[GraphStore, Path], None]] = {
    "parquet": _write_parquet,
    "dgl": _write_dgl,
    "pyg": _write_pyg,
}
