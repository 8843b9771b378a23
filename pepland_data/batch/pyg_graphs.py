"""Batches as ``HeteroData`` of PyTorch Geometric, and back."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from pepland_data.batch.arrays import BatchArrays, BatchTables
from pepland_data.batch.interchange import batch_of, both_ways, edge_rows
from pepland_data.errors import MissingDependencyError


def import_pyg() -> Any:
    """Return the module ``torch_geometric.data``; MissingDependencyError if it is not installed."""
    try:
        return importlib.import_module("torch_geometric.data")
    except ImportError as error:
        raise MissingDependencyError(
            "torch_geometric is not installed; install it with `pip install torch_geometric`"
        ) from error


def batch_to_pyg(batch: BatchArrays) -> Any:
    """Return a PyG ``HeteroData`` with node types ``atom`` and ``fragment``."""
    data = import_pyg().HeteroData()
    for kind in ("atom", "fragment"):
        code = getattr(batch, f"{kind}_code").long()
        ptr = getattr(batch, f"{kind}_ptr")
        data[kind].x = getattr(batch.tables, f"{kind}_x")[code]
        graphs = torch.arange(batch.num_graphs, device=batch.device)
        data[kind].batch = graphs.repeat_interleave(ptr.diff())
        data[kind].ptr = ptr
        data[kind].code = code
    data["fragment"].residue = batch.fragment_residue.long()
    data.graph_index = batch.graph_index
    for kind, name in (("atom", "bond"), ("fragment", "reaction")):
        begin, end, code = (getattr(batch, f"{name}_{part}") for part in ("begin", "end", "code"))
        edges = data[kind, name, kind]
        edges.edge_index = torch.stack(both_ways(begin, end))
        edges.edge_attr = edge_rows(batch, code)
        edges.code = code.long().repeat_interleave(2)
    atoms = torch.arange(len(batch.atom_code), device=batch.device)
    data["atom", "junction", "fragment"].edge_index = torch.stack(
        [atoms, batch.atom_fragment.long()]
    )
    return data


def batch_from_pyg(data: Any, tables: BatchTables) -> BatchArrays:
    """Return the batch of a PyG ``HeteroData`` with the fields that `batch_to_pyg` writes.

    Args:
        data: node types ``atom``, ``fragment`` with ``x`` and, for more than one graph, ``ptr``.
        tables: of the store or batch that the graphs belong to.

    Returns:
        A batch. Fragments without a field ``residue`` get 1.

    Raises:
        InputError: rows that are not in the tables, or edges that are not pairs of directions.
    """
    edges = {
        "bond": data["atom", "bond", "atom"],
        "reaction": data["fragment", "reaction", "fragment"],
    }
    nodes = {kind: data[kind] for kind in ("atom", "fragment")}
    counts = {}
    for kind, fields in nodes.items():
        counts[kind] = fields.get("ptr", torch.tensor([0, len(fields.x)])).diff()
    for name, owner in (("bond", "atom"), ("reaction", "fragment")):
        begins = edges[name].edge_index[0, ::2].contiguous()
        graphs = torch.searchsorted(counts[owner].cumsum(0), begins, right=True)
        counts[name] = torch.bincount(graphs, minlength=len(counts[owner]))
    return batch_of(
        tables,
        nodes | edges,
        {"atom": "x", "fragment": "x", "bond": "edge_attr", "reaction": "edge_attr"},
        {name: tuple(fields.edge_index) for name, fields in edges.items()},
        tuple(data["atom", "junction", "fragment"].edge_index),
        counts,
        data.get("graph_index"),
    )
