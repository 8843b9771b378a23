"""Batches as ``HeteroData`` of PyTorch Geometric, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchArrays, BatchTables
from pepland_data.batch.interchange import batch_of, both_ways, codes_of, edge_rows, tensor_pointers
from pepland_data.errors import MissingDependencyError


def batch_to_pyg(batch: BatchArrays) -> Any:
    """Return a PyG ``HeteroData`` with node types ``atom`` and ``fragment``.

    Raises:
        MissingDependencyError: torch_geometric is not installed.
    """
    try:
        from torch_geometric.data import HeteroData
    except ImportError as error:
        raise MissingDependencyError(
            "torch_geometric is not installed; install it with `pip install torch_geometric`"
        ) from error
    data = HeteroData()
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
    stores = {
        "bond": data["atom", "bond", "atom"],
        "reaction": data["fragment", "reaction", "fragment"],
    }
    ptr = {kind: _pyg_ptr(data[kind]) for kind in ("atom", "fragment")}
    for name, owner in (("bond", "atom"), ("reaction", "fragment")):
        begins = stores[name].edge_index[0, ::2].contiguous()
        graphs = torch.searchsorted(ptr[owner][1:].contiguous(), begins, right=True)
        ptr[name] = tensor_pointers(torch.bincount(graphs, minlength=len(ptr["atom"]) - 1))
    atoms, home = data["atom", "junction", "fragment"].edge_index
    return batch_of(
        tables,
        {kind: codes_of(data[kind], "x", tables, kind) for kind in ("atom", "fragment")},
        {name: codes_of(edges, "edge_attr", tables, name) for name, edges in stores.items()},
        {name: tuple(edges.edge_index) for name, edges in stores.items()},
        (atoms, home),
        data["fragment"].get("residue"),
        ptr,
        data.get("graph_index"),
    )


def _pyg_ptr(nodes: Any) -> Tensor:
    ptr: Tensor = nodes.get("ptr", torch.tensor([0, len(nodes.x)]))
    return ptr
