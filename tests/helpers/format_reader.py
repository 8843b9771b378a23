"""A reader of stores written from docs/format.md alone, without this package and without zarr."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

COLUMNS = {
    "atoms": ("atom_code", "atom_fragment"),
    "fragments": ("fragment_code", "fragment_residue"),
    "bonds": ("bond_begin", "bond_end", "bond_code"),
    "reactions": ("reaction_begin", "reaction_end", "reaction_code"),
}


def manifest_of(folder: Path) -> dict[str, Any]:
    body = json.loads((folder / "manifest.json").read_bytes())
    checksum = body.pop("checksum")
    assert sha256(json.dumps(body, sort_keys=True).encode()).hexdigest() == checksum
    assert (body["format"], body["format_version"]) == ("pepland-data", 1)
    for entry in [*body["files"], *body["shards"]]:
        data = (folder / entry["file"]).read_bytes()
        assert (len(data), sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
    return body


def read_graphs(folder: Path) -> list[dict[str, Any]]:
    """Return every graph: row_id, smiles, the ten code columns, and rows of the dense tables."""
    manifest = manifest_of(folder)
    read = {"arrow": read_arrow, "zarr": read_zarr}[manifest["kind"]]
    graphs, tables = read(folder, manifest)
    for graph in graphs:
        graph["atom_x"] = tables["atom_x"][graph["atom_code"]]
        graph["atom_label"] = tables["atom_label"][graph["atom_code"]]
        graph["fragment_x"] = tables["fragment_x"][graph["fragment_code"]]
        graph["fragment_smiles"] = [tables["fragment_smiles"][c] for c in graph["fragment_code"]]
        graph["bond_x"] = np.repeat(tables["bond_x"][graph["bond_code"]], 2, axis=0)
        ends = np.stack([graph["bond_begin"], graph["bond_end"]]).astype(np.int64)
        graph["bond_index"] = np.stack([ends, ends[::-1]], axis=2).reshape(2, -1)
    return graphs


def read_arrow(folder: Path, manifest: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
    def table(name: str) -> pa.Table:
        return pa.ipc.open_file(folder / name).read_all()

    graphs = []
    for entry in manifest["shards"]:
        rows = table(entry["file"])
        for i in range(len(rows)):
            graph = {name: rows[name][i].as_py() for name in ["row_id", "smiles"]}
            graph["columns"] = {name: rows[name][i].as_py() for name in manifest["columns"]}
            for group, names in COLUMNS.items():
                values = rows[group][i].as_py()
                for name in names:
                    graph[name] = np.array([v[name] for v in values], manifest["dtypes"][name])
            graphs.append(graph)
    atom, bond, fragment = (table(f"tables/{n}.arrow") for n in ("atom", "bond", "fragment"))
    tables = {
        "atom_x": np.array(atom["x"].to_pylist(), np.float32).reshape(-1, 42),
        "atom_label": np.array(atom["label"].to_pylist(), np.int16).reshape(-1, 2),
        "bond_x": np.array(bond["x"].to_pylist(), np.uint8).reshape(-1, 14),
        "fragment_x": np.array(fragment["x"].to_pylist(), np.uint8).reshape(-1, 196),
        "fragment_smiles": fragment["smiles"].to_pylist(),
    }
    return graphs, tables


def read_array(folder: Path, name: str) -> np.ndarray:
    """Read a Zarr array with JSON and zstd only, as docs/format.md describes it."""
    root = folder / "graphs.zarr" / name
    about = json.loads((root / "zarr.json").read_bytes())
    shape, dtype = about["shape"], np.dtype(about["data_type"]).newbyteorder("<")
    step = about["chunk_grid"]["configuration"]["chunk_shape"]
    pieces = [np.zeros((0, *shape[1:]), dtype)]
    for number in range(-(-shape[0] // step[0])):
        data = (root / "/".join(["c", str(number), *["0"] * (len(shape) - 1)])).read_bytes()
        if about["codecs"][0]["name"] != "sharding_indexed":
            chunks, inner = [data], step
        else:
            inner = about["codecs"][0]["configuration"]["chunk_shape"]
            count = step[0] // inner[0]
            index = np.frombuffer(data[-16 * count - 4 : -4], "<u8").reshape(count, 2).tolist()
            chunks = [data[at : at + size] for at, size in index if at != 2**64 - 1]
        bytes_each = int(np.prod(inner)) * dtype.itemsize
        for chunk in chunks:
            flat = pa.decompress(chunk, bytes_each, codec="zstd")
            pieces.append(np.frombuffer(flat, dtype).reshape(-1, *shape[1:]))
    return np.concatenate(pieces)[: shape[0]]


def ragged(lengths: np.ndarray, items: np.ndarray) -> list[np.ndarray]:
    return np.split(items, np.cumsum(lengths, dtype=np.int64)[:-1]) if len(lengths) else []


def read_column(folder: Path, group: Path, shard_rows: np.ndarray) -> tuple[str, list[Any]]:
    about = json.loads((group / "zarr.json").read_bytes())["attributes"]
    name = group.relative_to(folder / "graphs.zarr").as_posix()
    if about["encoding"] == "values":
        values = read_array(folder, f"{name}/values").tolist()
    else:
        pieces = ragged(read_array(folder, f"{name}/length"), read_array(folder, f"{name}/bytes"))
        if about["encoding"] == "text":
            values = [piece.tobytes().decode() for piece in pieces]
        else:
            read = (pa.ipc.open_stream(piece.tobytes()).read_all() for piece in pieces)
            values = [value for table in read for value in table.column(0).to_pylist()]
    if (group / "valid").is_dir():
        valid = read_array(folder, f"{name}/valid")
        values = [v if ok else None for v, ok in zip(values, valid, strict=True)]
    return about["name"], values


def read_zarr(folder: Path, manifest: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
    def array(name: str) -> np.ndarray:
        return read_array(folder, name)

    texts = [t.tobytes().decode() for t in ragged(array("smiles_length"), array("smiles"))]
    graphs: list[dict[str, Any]] = [
        {"row_id": int(row), "smiles": text, "columns": {}}
        for row, text in zip(array("row_id"), texts, strict=True)
    ]
    for group, names in COLUMNS.items():
        for name in names:
            for graph, values in zip(
                graphs, ragged(array(f"num_{group}"), array(name)), strict=True
            ):
                graph[name] = values
    for group in sorted(p.parent for p in (folder / "graphs.zarr/columns").glob("*/zarr.json")):
        name, values = read_column(folder, group, array("shard_rows"))
        for graph, value in zip(graphs, values, strict=True):
            graph["columns"][name] = value
    tables = {name: array(name) for name in ("atom_x", "atom_label", "bond_x", "fragment_x")}
    smiles = ragged(array("fragment_smiles_length"), array("fragment_smiles"))
    return graphs, {**tables, "fragment_smiles": [s.tobytes().decode() for s in smiles]}
