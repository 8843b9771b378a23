"""Write a store for other tools: Parquet, DGL's own file, PyG's own file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pepland_data.errors import BuildError, InputError, MissingDependencyError
from pepland_data.files.atomic import write_atomic
from pepland_data.files.remote import is_remote, local_path
from pepland_data.store.arrow_shards import shard_batch, table_batches
from pepland_data.store.graph_store import GraphStore

KINDS = ("parquet", "dgl", "pyg")


@dataclass(frozen=True)
class ExportReport:
    """What was written and what it costs."""

    path: str
    kind: str
    graphs: int
    files: int
    bytes: int
    times_store: float
    """Bytes of the export over bytes of the store."""


def export(store: GraphStore, kind: str, out: str | Path) -> ExportReport:
    """Write every graph of a store, one file a shard, into a new folder.

    Args:
        store: an opened store.
        kind: ``parquet`` (codes, and the tables beside them), ``dgl`` (``load_graphs`` reads it,
            with row numbers as label) or ``pyg`` (``InMemoryDataset.load`` reads it; a pickle:
            load only files you made).
        out: folder that is not there yet.

    Raises:
        InputError: for another kind.
        BuildError: `out` is there already.
        MissingDependencyError: DGL or PyG is not installed.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind {kind!r}; expected one of {', '.join(KINDS)}")
    if is_remote(out):
        raise InputError(f"export writes to this machine, not to {out}; name a folder and copy it")
    out = local_path(out)
    if out.exists():
        raise BuildError(f"{out} is there already; name a new folder")
    work = out.parent / f".{out.name}.exporting"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    writers: dict[str, Callable[[GraphStore, Path], None]] = {
        "parquet": _parquet, "dgl": _dgl, "pyg": _pyg,
    }  # fmt: skip
    writers[kind](store, work)
    work.replace(out)
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return ExportReport(str(out), kind, len(store), len(files), size, size / store.nbytes)


def _parquet(store: GraphStore, out: Path) -> None:
    for s in range(store.num_shards):
        batch = shard_batch(store.shard(s), store.manifest.dtypes)
        _write_parquet(out / f"graphs/{s:06d}.parquet", batch)
    for name, batch in table_batches(store.tables).items():
        _write_parquet(out / Path(name).with_suffix(".parquet"), batch)


def _write_parquet(path: Path, batch: Any) -> None:
    table = pa.Table.from_batches([batch])
    write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))


def _batches(store: GraphStore) -> Iterator[tuple[int, Any, Any]]:
    """Yield number, batch and row numbers of each shard."""
    from pepland_data.batch.arrays import BatchTables
    from pepland_data.batch.hetero_batch import HeteroBatch

    tables = BatchTables.from_tables(store.tables)
    for s in range(store.num_shards):
        yield s, HeteroBatch.from_columns(store.shard_columns(s), tables), store.shard(s).row_id


def _dgl(store: GraphStore, out: Path) -> None:
    import torch

    from pepland_data.batch.dgl_import import import_dgl

    dgl = import_dgl()
    for s, batch, row_id in _batches(store):
        labels = {"row_id": torch.from_numpy(row_id.copy())}
        dgl.save_graphs(str(out / f"{s:06d}.bin"), dgl.unbatch(batch.to_dgl()), labels)


def _pyg(store: GraphStore, out: Path) -> None:
    import torch

    from pepland_data.batch.hetero_batch import HeteroBatch

    try:
        from torch_geometric.data import InMemoryDataset
    except ImportError as error:
        raise MissingDependencyError(
            "torch_geometric is not installed; install it with `pip install torch_geometric`"
        ) from error
    row = 0
    for s, batch, row_id in _batches(store):
        graphs = []
        for place in range(batch.num_graphs):
            data = HeteroBatch.from_graphs([store[row + place]]).to_pyg()
            for kind in ("atom", "fragment"):
                del data[kind].batch, data[kind].ptr
            data.row_id = torch.tensor([int(row_id[place])])
            graphs.append(data)
        InMemoryDataset.save(graphs, str(out / f"{s:06d}.pt"))
        row += batch.num_graphs
