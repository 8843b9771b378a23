"""Batches as graphs of other libraries, with the field names their users expect."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from pepland_data.batch.arrays import BatchArrays
from pepland_data.batch.dgl_import import import_dgl
from pepland_data.errors import MissingDependencyError
from pepland_data.graph.feature_tables import ATOM_WIDTH, FRAGMENT_WIDTH


def both_ways(begin: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Return source and destination of both directions, adjacent. [2B] int64 each."""
    src = torch.stack([begin, end], 1).flatten().long()
    dst = torch.stack([end, begin], 1).flatten().long()
    return src, dst


def batch_to_dgl(batch: BatchArrays) -> Any:
    """Return a batched DGL heterograph as PepLand's code makes it.

    Node types ``a`` and ``p`` with data ``f`` ([A, 42], [P, 196] float32), ``f_junc`` (238 wide);
    edge types (a, b, a) and (p, r, p) with data ``x`` ([E, 14]), (a, j, p) and (p, j, a). For the
    way back nodes and edges also have ``code``, fragments ``residue``, all int64.
    """
    dgl = import_dgl()
    atoms = torch.arange(len(batch.atom_code), device=batch.device)
    home = batch.atom_fragment.long()
    graph = dgl.heterograph(
        {
            ("a", "b", "a"): both_ways(batch.bond_begin, batch.bond_end),
            ("p", "r", "p"): both_ways(batch.reaction_begin, batch.reaction_end),
            ("a", "j", "p"): (atoms, home),
            ("p", "j", "a"): (home, atoms),
        },
        num_nodes_dict={"a": len(batch.atom_code), "p": len(batch.fragment_code)},
    )
    atom_x = batch.tables.atom_x[batch.atom_code.long()]
    fragment_x = batch.tables.fragment_x[batch.fragment_code.long()]
    graph.nodes["a"].data["f"] = atom_x
    graph.nodes["p"].data["f"] = fragment_x
    graph.nodes["a"].data["f_junc"] = pad(atom_x, (0, FRAGMENT_WIDTH))
    graph.nodes["p"].data["f_junc"] = pad(fragment_x, (ATOM_WIDTH, 0))
    graph.edges["b"].data["x"] = _edge_rows(batch, batch.bond_code)
    graph.edges["r"].data["x"] = _edge_rows(batch, batch.reaction_code)
    graph.nodes["a"].data["code"] = batch.atom_code.long()
    graph.nodes["p"].data["code"] = batch.fragment_code.long()
    graph.nodes["p"].data["residue"] = batch.fragment_residue.long()
    graph.edges["b"].data["code"] = batch.bond_code.long().repeat_interleave(2)
    graph.edges["r"].data["code"] = batch.reaction_code.long().repeat_interleave(2)
    graph.set_batch_num_nodes({"a": batch.atom_ptr.diff(), "p": batch.fragment_ptr.diff()})
    graph.set_batch_num_edges(
        {
            ("a", "b", "a"): 2 * batch.bond_ptr.diff(),
            ("p", "r", "p"): 2 * batch.reaction_ptr.diff(),
            ("a", "j", "p"): batch.atom_ptr.diff(),
            ("p", "j", "a"): batch.atom_ptr.diff(),
        }
    )
    return graph


def _edge_rows(batch: BatchArrays, code: Tensor) -> Tensor:
    return batch.tables.bond_x[code.long()].repeat_interleave(2, 0)


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
    for kind, group in (("atom", "atom"), ("fragment", "fragment")):
        code = getattr(batch, f"{group}_code").long()
        ptr = getattr(batch, f"{group}_ptr")
        data[kind].x = getattr(batch.tables, f"{group}_x")[code]
        graphs = torch.arange(batch.num_graphs, device=batch.device)
        data[kind].batch = graphs.repeat_interleave(ptr.diff())
        data[kind].ptr = ptr
        data[kind].code = code
    data["fragment"].residue = batch.fragment_residue.long()
    data.graph_index = batch.graph_index
    bonds = data["atom", "bond", "atom"]
    bonds.edge_index = torch.stack(both_ways(batch.bond_begin, batch.bond_end))
    bonds.edge_attr = _edge_rows(batch, batch.bond_code)
    reactions = data["fragment", "reaction", "fragment"]
    reactions.edge_index = torch.stack(both_ways(batch.reaction_begin, batch.reaction_end))
    reactions.edge_attr = _edge_rows(batch, batch.reaction_code)
    bonds.code = batch.bond_code.long().repeat_interleave(2)
    reactions.code = batch.reaction_code.long().repeat_interleave(2)
    atoms = torch.arange(len(batch.atom_code), device=batch.device)
    data["atom", "junction", "fragment"].edge_index = torch.stack(
        [atoms, batch.atom_fragment.long()]
    )
    return data
