"""Loaders of coded graphs that `bench_loader` measures: ours, array gathers, LMDB, LitData."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.loaders.records import RecordReader, records_of
from pepland_data import GraphLoader, GraphStore, open_store
from pepland_data.batch.arrays import BatchTables
from pepland_data.graph.columns import GROUPS
from pepland_data.loader.corpus import Corpus
from pepland_data.loader.tiers.host import flat_corpus

Epochs = Callable[[int], Iterator[tuple[int, int]]]
"""Epoch -> (graphs, atoms) of each batch."""


def nothing(store: GraphStore, folder: Path, count: int) -> None:
    """Write no files: the store itself is read."""


def shuffled_batches(count: int, batch_size: int, epoch: int) -> Iterator[np.ndarray]:
    """Yield the rows of each batch of a shuffled epoch, without a shorter last batch."""
    order = np.random.default_rng(epoch).permutation(count)
    yield from (order[i : i + batch_size] for i in range(0, count - batch_size + 1, batch_size))


def open_ours(
    tier: str, device: str, store: GraphStore, _folder: Path, _count: int, batch_size: int
) -> Epochs:
    """Open our loader."""
    loader = GraphLoader(store, batch_size, tier=tier, device=device, drop_last=True)

    def epochs(epoch: int) -> Iterator[tuple[int, int]]:
        loader.set_epoch(epoch)
        for batch in loader:
            yield batch.num_graphs, len(batch.atom_code)

    return epochs


def open_gathers(store: GraphStore, _folder: Path, _count: int, batch_size: int) -> Epochs:
    """Open array gathers from memory, with narrow codes and local indices: the upper limit."""
    flat, ptr = flat_corpus(Corpus([store]))

    def epochs(epoch: int) -> Iterator[tuple[int, int]]:
        for graphs in shuffled_batches(len(store), batch_size, epoch):
            made: dict[str, np.ndarray] = {}
            for group, names in GROUPS.items():
                starts = ptr[group][graphs]
                sizes = ptr[group][graphs + 1] - starts
                ends = np.cumsum(sizes)
                rows = np.repeat(starts - ends + sizes, sizes)
                rows += np.arange(ends[-1])
                made |= {name: flat[name].take(rows) for name in names}
            yield len(graphs), len(made["atom_code"])

    return epochs


def reader_of(store: GraphStore) -> RecordReader:
    """Return a reader that makes batches of the records of a store."""
    return RecordReader(store.manifest.dtypes, BatchTables.from_tables(store.tables))


def prepare_lmdb(store: GraphStore, folder: Path, count: int) -> None:
    """Write one record per graph."""
    import lmdb

    with lmdb.open(str(folder), map_size=2**36) as environment, environment.begin(write=True) as t:
        for row, record in enumerate(records_of(store, 0, count)):
            t.put(row.to_bytes(4, "big"), record)


def open_lmdb(store: GraphStore, folder: Path, count: int, batch_size: int) -> Epochs:
    """Open LMDB for zero-copy reads, without readahead, for random reads."""
    import lmdb

    environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
    reader = reader_of(store)

    def epochs(epoch: int) -> Iterator[tuple[int, int]]:
        with environment.begin(buffers=True) as transaction:
            for graphs in shuffled_batches(count, batch_size, epoch):
                taken = [transaction.get(row.to_bytes(4, "big")) for row in graphs.tolist()]
                yield len(graphs), len(reader.batch(taken, graphs.tolist()).atom_code)

    return epochs


def litdata_samples(path: str, rows: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """Yield rows of a store as samples of LitData."""
    for row, record in zip(range(*rows), records_of(open_store(path), *rows), strict=True):
        yield {"graph": row, "record": record}


def prepare_litdata(store: GraphStore, folder: Path, count: int) -> None:
    """Write chunks of 64 MB, as in the documentation of LitData."""
    from litdata import optimize

    step = 10_000
    inputs = [(start, min(start + step, count)) for start in range(0, count, step)]
    samples = partial(litdata_samples, str(store.path))
    optimize(samples, inputs, str(folder), chunk_bytes="64MB", num_workers=1)


def _collate(reader: RecordReader, items: list[dict[str, Any]]) -> Any:
    return reader.batch([i["record"] for i in items], [i["graph"] for i in items])


def open_litdata(store: GraphStore, folder: Path, count: int, batch_size: int) -> Epochs:
    """Open the shuffled stream of LitData in the main process."""
    from litdata import StreamingDataLoader, StreamingDataset

    data = StreamingDataset(str(folder), shuffle=True, drop_last=False)
    collate = partial(_collate, reader_of(store))
    loader = StreamingDataLoader(data, batch_size=batch_size, num_workers=0, collate_fn=collate)

    def epochs(_epoch: int) -> Iterator[tuple[int, int]]:
        for batch in loader:
            yield batch.num_graphs, len(batch.atom_code)

    return epochs
