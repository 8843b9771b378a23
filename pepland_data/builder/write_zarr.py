"""Write a store as Zarr; each task writes complete objects, so the tasks do not change bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.builder.commit import CountProgress
from pepland_data.builder.workers.engines import Engine
from pepland_data.files.atomic import write_atomic_bytes
from pepland_data.graph.columns import GROUPS, SIZES
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.store.arrow_shards import ShardData
from pepland_data.store.graph_store import Address, GraphStore, reopened
from pepland_data.store.manifest import FileEntry, Manifest
from pepland_data.store.manifest_form import NOTES, REJECTS
from pepland_data.store.zarr.columns import column_folder, encode_column, encoding_of, type_message
from pepland_data.store.zarr.layout import ArrayEncoder, ArraySpec, GroupSpec

ROW_FILES = (REJECTS, NOTES)


@dataclass(frozen=True)
class Stream:
    """Arrays with one item per graph, atom and so on, written together from the same shards."""

    specs: tuple[ArraySpec, ...]
    counts: tuple[int, ...]
    """Number of items in each shard of the store."""


def write_zarr(
    store: GraphStore,
    folder: Path,
    engine: Engine,
    progress: CountProgress = lambda done, total: None,
) -> Manifest:
    """Write every file of a store but its manifest as Zarr, and return the manifest.

    Args:
        store: an Arrow store.
        folder: folder of the Zarr store; objects of a killed run are replaced.
        engine: engine that runs the tasks.
        progress: called with objects done and their total.
    """
    streams = _streams(store)
    files = [*_metadata(store, streams, folder), *_small(store, folder)]
    arguments = [
        (store.address, folder, stream, number)
        for stream in streams
        for number in range(stream.specs[0].objects)
    ]
    entries: list[FileEntry] = []
    for done, made in enumerate(engine.run(write_objects, arguments, ordered=True), 1):
        entries += made
        progress(done, len(arguments))
    sizes = [e for e in entries if e.file.split("/")[1] in SIZES]
    large = [e for e in entries if e.file.split("/")[1] not in SIZES]
    everything = sorted([*files, *sizes], key=lambda e: e.file)
    return replace(
        store.manifest, kind="zarr", files=tuple(everything),
        shards=tuple(sorted(large, key=lambda e: (e.file.rpartition("/")[0], _number(e.file)))),
    )  # fmt: skip


def _number(file: str) -> int:
    return int(file.rpartition("/")[2])


def _streams(store: GraphStore) -> list[Stream]:
    """Return the arrays that are divided into objects, and the items that each shard has."""
    shards = range(store.num_shards)
    rows = tuple(np.diff(store.shard_ptr).tolist())
    per_graph = [_spec("row_id", len(store), "int64", "graph")]
    per_graph += [_spec(name, len(store), "uint32", "graph") for name in SIZES]
    per_graph += [_spec("smiles_length", len(store), "uint32", "graph")]
    streams = []
    for group, names in GROUPS.items():
        ends = np.cumsum([0, *getattr(store, f"num_{group}s")], dtype=np.int64)[store.shard_ptr]
        specs = [_spec(n, int(ends[-1]), store.manifest.dtypes[n], group) for n in names]
        streams.append(Stream(tuple(specs), tuple(np.diff(ends).tolist())))
    streams.append(_bytes("smiles", [_byte_count(store.shard(s).smiles) for s in shards]))
    for name, kind in store.column_types().items():
        folder, encoding = column_folder(name), encoding_of(kind)
        arrays = [store.shard(s).extra[name] for s in shards]
        if encoding == "values":
            dtype = str(np.dtype(kind.to_pandas_dtype()))
            per_graph.append(_spec(f"{folder}/values", len(store), dtype, "graph"))
        else:
            counts = [_byte_count(array) for array in arrays]
            streams.append(_bytes(f"{folder}/bytes", counts))
        if encoding == "text":
            per_graph.append(_spec(f"{folder}/length", len(store), "uint32", "graph"))
        if encoding != "arrow" and any(array.null_count for array in arrays):
            per_graph.append(_spec(f"{folder}/valid", len(store), "bool", "graph"))
    return [Stream(tuple(per_graph), rows), *streams]


def _spec(name: str, count: int, dtype: str, dim: str) -> ArraySpec:
    return ArraySpec(name, (count,), dtype, (dim,))


def _bytes(name: str, counts: list[int]) -> Stream:
    return Stream((_spec(name, sum(counts), "uint8", f"{name}_byte"),), tuple(counts))


def _byte_count(array: Any) -> int:
    return len(encode_column(array)["bytes"])


def _metadata(store: GraphStore, streams: list[Stream], folder: Path) -> Iterator[FileEntry]:
    """Write the metadata of all groups and of the arrays in streams."""
    kinds = store.column_types()
    groups = [GroupSpec("")]
    groups += [GroupSpec("columns")] if kinds else []
    for name, kind in kinds.items():
        about = {"name": name, "type": str(kind), "encoding": encoding_of(kind)}
        about |= {"arrow_schema": type_message(kind)}
        groups.append(GroupSpec(column_folder(name), about))
    for group in groups:
        yield _write(folder, group.metadata_name, group.metadata(), 0)
    for spec in (spec for stream in streams for spec in stream.specs):
        yield _write(folder, spec.metadata_name, ArrayEncoder(spec).metadata(), 0)


def _small(store: GraphStore, folder: Path) -> Iterator[FileEntry]:
    """Write the tables and the rows per shard, and copy the rejects and notes."""
    rows = np.diff(store.shard_ptr)
    arrays = {"shard_rows": (rows, ("shard",)), **_table_arrays(store.tables)}
    for name, kind in store.column_types().items():
        if encoding_of(kind) == "arrow":
            counts = [_byte_count(store.shard(s).extra[name]) for s in range(store.num_shards)]
            arrays[f"{column_folder(name)}/length"] = (np.array(counts, np.int64), ("shard",))
    for name, (values, dims) in arrays.items():
        encoder = ArrayEncoder(ArraySpec(name, values.shape, str(values.dtype), dims))
        yield _write(folder, encoder.spec.metadata_name, encoder.metadata(), 0)
        for number in range(encoder.spec.objects):
            first, last = encoder.spec.bounds(number)
            data = encoder.encode(number, values[first:last])
            yield _write(folder, encoder.spec.object_name(number), data, last - first)
    for entry in store.manifest.files:
        if entry.file in ROW_FILES:
            yield _write(folder, entry.file, (store.path / entry.file).read_bytes(), entry.rows)


def _table_arrays(
    tables: FeatureTables,
) -> dict[str, tuple[npt.NDArray[Any], tuple[str, ...]]]:
    texts = [smiles.encode() for smiles in tables.fragment_smiles]
    return {
        "atom_x": (tables.atom_x, ("atom_row", "atom_feature")),
        "atom_label": (tables.atom_label, ("atom_row", "atom_label_column")),
        "bond_x": (tables.bond_x, ("bond_row", "bond_feature")),
        "fragment_x": (tables.fragment_x, ("fragment_row", "fragment_feature")),
        "fragment_smiles": (
            np.frombuffer(b"".join(texts), np.uint8), ("fragment_smiles_byte",)
        ),
        "fragment_smiles_length": (
            np.array([len(text) for text in texts], np.uint32), ("fragment_row",)
        ),
    }  # fmt: skip


def write_objects(address: Address, folder: Path, stream: Stream, number: int) -> list[FileEntry]:
    """Write one object of each array of a stream, from the shards that reach into it."""
    store = reopened(*address)
    first, last = stream.specs[0].bounds(number)
    ends = np.cumsum([0, *stream.counts])
    pieces: dict[str, list[npt.NDArray[Any]]] = {spec.name: [] for spec in stream.specs}
    begin, stop = np.searchsorted(ends, first, "right") - 1, np.searchsorted(ends, last, "left")
    for s in range(int(begin), int(stop)):
        inside = slice(max(first - int(ends[s]), 0), last - int(ends[s]))
        data = store.shard(s)
        for name, found in pieces.items():
            found.append(array_of(data, name)[inside])
    entries = []
    for spec in stream.specs:
        made = ArrayEncoder(spec).encode(number, np.concatenate(pieces[spec.name]))
        entries.append(_write(folder, spec.object_name(number), made, last - first))
    return entries


def array_of(data: ShardData, name: str) -> npt.NDArray[Any]:
    """Return what a shard gives to an array of the group."""
    if name == "row_id":
        return data.row_id
    if name in SIZES:
        return data.columns.sizes(name.removeprefix("num_").removesuffix("s"))
    if name in ("smiles", "smiles_length"):
        return encode_column(data.smiles)["bytes" if name == "smiles" else "length"]
    if not name.startswith("columns/"):
        values: npt.NDArray[Any] = getattr(data.columns, name)
        return values
    folder, _, part = name.rpartition("/")
    array = next(a for n, a in data.extra.items() if column_folder(n) == folder)
    parts = encode_column(array)
    return np.ones(len(array), bool) if part == "valid" and part not in parts else parts[part]


def _write(folder: Path, name: str, data: bytes, rows: int) -> FileEntry:
    write_atomic_bytes(folder / name, data)
    return FileEntry.of(folder, name, rows)
