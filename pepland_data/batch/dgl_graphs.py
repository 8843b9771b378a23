"""Batches as DGL heterographs with PepLand's field names, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import pad

from pepland_data.batch.arrays import BatchArrays, BatchTables
from pepland_data.batch.dgl_import import import_dgl
from pepland_data.batch.interchange import batch_of, both_ways, codes_of, edge_rows, tensor_pointers
from pepland_data.graph.feature_tables import ATOM_WIDTH, FRAGMENT_WIDTH


def batch_to_dgl(batch: BatchArrays) -> Any:
    """Return a batched DGL heterograph as PepLand's code makes it.

    Node types ``a`` and ``p`` with data ``f`` ([A, 42], [P, 196] float32), ``f_junc`` (238 wide);
    edge types (a, b, a) and (p, r, p) with data ``x`` ([E, 14]), (a, j, p) and (p, j, a). For
    `batch_from_dgl` nodes and edges also have ``code``, and fragments ``residue``, all int64.
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
    graph.nodes["a"].data["code"] = batch.atom_code.long()
    graph.nodes["p"].data["code"] = batch.fragment_code.long()
    graph.nodes["p"].data["residue"] = batch.fragment_residue.long()
    for kind, code in (("b", batch.bond_code), ("r", batch.reaction_code)):
        graph.edges[kind].data["x"] = edge_rows(batch, code)
        graph.edges[kind].data["code"] = code.long().repeat_interleave(2)
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


def batch_from_dgl(graph: Any, tables: BatchTables) -> BatchArrays:
    """Return the batch of a batched DGL heterograph with PepLand's field names.

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
    return batch_of(
        tables,
        {name: codes_of(data, "f", tables, name) for name, data in nodes.items()},
        {name: codes_of(data, "x", tables, name) for name, data in edges.items()},
        {"bond": graph.edges(etype="b"), "reaction": graph.edges(etype="r")},
        (atoms, home),
        nodes["fragment"].get("residue"),
        {group: tensor_pointers(c) for group, c in counts.items()},
        None,
    )
