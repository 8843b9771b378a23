"""Graphs of other libraries as batches again.

Graphs that `batch.to_other` made carry their codes. Others, such as graphs that PepLand's
own code pickled, are matched with the tables row by row; a row that is not in them, or that stands
for two fragments there, is an error and never a guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchArrays, BatchTables
from pepland_data.errors import InputError


def batch_from_dgl(graph: Any, tables: BatchTables) -> BatchArrays:
    """Return a batched DGL heterograph with PepLand's field names as a batch.

    Args:
        graph: node types ``a``, ``p`` with data ``f``; edge types ``b``, ``r`` with data ``x``,
            both directions of a bond adjacent; ``j`` from atoms to fragments.
        tables: of the store or batch that the graphs belong to.

    Returns:
        A batch whose ``graph_index`` is 0..G-1. Fragments without a field ``residue`` get 1.

    Raises:
        InputError: rows that are not in the tables, or edges that are not pairs of directions.
    """
    nodes = {"atom": graph.nodes["a"].data, "fragment": graph.nodes["p"].data}
    edges = {"bond": graph.edges["b"].data, "reaction": graph.edges["r"].data}
    atoms, home = graph.edges(etype=("a", "j", "p"))
    counts = {
        "atom": graph.batch_num_nodes("a"),
        "fragment": graph.batch_num_nodes("p"),
        "bond": graph.batch_num_edges("b") // 2,
        "reaction": graph.batch_num_edges("r") // 2,
    }
    return _batch(
        tables,
        {name: _codes(data, "f", tables, name) for name, data in nodes.items()},
        {name: _codes(data, "x", tables, name) for name, data in edges.items()},
        {"bond": graph.edges(etype="b"), "reaction": graph.edges(etype="r")},
        (atoms, home),
        nodes["fragment"].get("residue"),
        {group: _ptr(c) for group, c in counts.items()},
        None,
    )


def batch_from_pyg(data: Any, tables: BatchTables) -> BatchArrays:
    """Return a PyG ``HeteroData`` as `HeteroBatch.to_pyg` makes it as a batch.

    Args:
        data: node types ``atom``, ``fragment`` with ``x`` and, for more than one graph, ``ptr``.
        tables: of the store or batch that the graphs belong to.

    Returns:
        A batch. Fragments without a field ``residue`` get 1.

    Raises:
        InputError: rows that are not in the tables, or edges that are not pairs of directions.
    """
    stores = {
        "bond": data["atom", "bond", "atom"],
        "reaction": data["fragment", "reaction", "fragment"],
    }
    ptr = {kind: _pyg_ptr(data[kind]) for kind in ("atom", "fragment")}
    for name, owner in (("bond", "atom"), ("reaction", "fragment")):
        begins = stores[name].edge_index[0, ::2].contiguous()
        graphs = torch.searchsorted(ptr[owner][1:].contiguous(), begins, right=True)
        ptr[name] = _ptr(torch.bincount(graphs, minlength=len(ptr["atom"]) - 1))
    atoms, home = data["atom", "junction", "fragment"].edge_index
    return _batch(
        tables,
        {kind: _codes(data[kind], "x", tables, kind) for kind in ("atom", "fragment")},
        {name: _codes(edges, "edge_attr", tables, name) for name, edges in stores.items()},
        {name: tuple(edges.edge_index) for name, edges in stores.items()},
        (atoms, home),
        data["fragment"].get("residue"),
        ptr,
        data.get("graph_index"),
    )


def _pyg_ptr(nodes: Any) -> Tensor:
    ptr: Tensor = nodes.get("ptr", torch.tensor([0, len(nodes.x)]))
    return ptr


def _ptr(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).long()


def _batch(
    tables: BatchTables,
    node_codes: dict[str, Tensor],
    edge_codes: dict[str, Tensor],
    ends: dict[str, tuple[Tensor, Tensor]],
    junction: tuple[Tensor, Tensor],
    residue: Tensor | None,
    ptr: dict[str, Tensor],
    graph_index: Tensor | None,
) -> BatchArrays:
    made: dict[str, Tensor] = {f"{name}_code": code for name, code in node_codes.items()}
    for name, (src, dst) in ends.items():
        code = edge_codes[name]
        made[f"{name}_begin"], made[f"{name}_end"] = _paired(name, src, dst, code)
        made[f"{name}_code"] = code[::2]
    atoms, home = junction
    made["atom_fragment"] = torch.empty_like(home).scatter_(0, atoms, home)
    fragments = node_codes["fragment"]
    made["fragment_residue"] = torch.ones_like(fragments) if residue is None else residue
    graphs = torch.arange(len(ptr["atom"]) - 1, device=fragments.device)
    narrow = {name: value.to(torch.int32) for name, value in made.items()}
    pointers = {f"{group}_ptr": p for group, p in ptr.items()}
    return BatchArrays(
        tables.to(fragments.device),
        graphs if graph_index is None else graph_index,
        **pointers,
        **narrow,
    )


def _paired(name: str, src: Tensor, dst: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
    """Return both ends of each bond from edges whose two directions are adjacent."""
    there = len(src) % 2 == 0 and bool(
        torch.equal(src[::2], dst[1::2])
        and torch.equal(dst[::2], src[1::2])
        and torch.equal(code[::2], code[1::2])
    )
    if not there:
        raise InputError(
            f"the {name} edges are not pairs of directions side by side; expected edge 2k from "
            "begin to end and edge 2k+1 back, as PepLand's code and to_dgl, to_pyg write them"
        )
    return src[::2], dst[::2]


def _codes(data: Any, field: str, tables: BatchTables, name: str) -> Tensor:
    """Return the code of each row: as carried and checked, or found by content. [N] int64."""
    table = {"atom": tables.atom_x, "fragment": tables.fragment_x}.get(name, tables.bond_x)
    rows = data[field].to(table.dtype)
    carried = data.get("code")
    if carried is None:
        return _matched(rows, table, name)
    inside = not len(carried) or (int(carried.min()) >= 0 and int(carried.max()) < len(table))
    if not (inside and torch.equal(table.to(carried.device)[carried], rows)):
        raise InputError(f"the {name} rows are not those of the tables; give the store's own")
    codes: Tensor = carried.long()
    return codes


def _matched(rows: Tensor, table: Tensor, name: str) -> Tensor:
    known: dict[bytes, list[int]] = {}
    for code, row in enumerate(np.ascontiguousarray(table.cpu().numpy())):
        known.setdefault(row.tobytes(), []).append(code)
    found = [known.get(row.tobytes(), []) for row in np.ascontiguousarray(rows.cpu().numpy())]
    for place, codes in enumerate(found):
        if len(codes) != 1:
            why = "is not in the tables" if not codes else f"stands for codes {codes} there"
            raise InputError(
                f"{name} row {place} {why}; build the store from the same peptides, or convert "
                "graphs that to_dgl or to_pyg made, which carry their codes"
            )
    return torch.tensor([codes[0] for codes in found], dtype=torch.int64, device=rows.device)
