"""PharmHGT from its formulas, with message passing by DGL; shares no code with the network."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, relu

HEADS, ROUNDS = 4, 4
Weights = dict[str, Tensor]


def layer(weights: Weights, name: str, x: Tensor) -> Tensor:
    return linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def attend(
    graph: Any, etype: Any, weights: Weights, name: str, query: Tensor, keys: Tensor
) -> Tensor:
    """softmax(QK / sqrt(d / heads)) V over the messages to a node; zero without messages."""
    width = query.shape[1] // HEADS

    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (HEADS, width))

    def reduce(nodes: Any) -> dict[str, Tensor]:
        mail = nodes.mailbox["m"]
        q = heads(layer(weights, f"{name}.linears.0", nodes.data["q"])).unsqueeze(1)
        k = heads(layer(weights, f"{name}.linears.1", mail))
        v = heads(layer(weights, f"{name}.linears.2", mail))
        share = ((q * k).sum(-1) / math.sqrt(width)).softmax(1)
        mixed = (share.unsqueeze(-1) * v).sum(1).flatten(1)
        return {"out": layer(weights, f"{name}.linears.3", mixed) + nodes.data["q"]}

    return messages(graph, etype, keys, reduce, query)


def messages(graph: Any, etype: Any, edge_rows: Tensor, reduce: Any, query: Tensor) -> Tensor:
    """Send a row along each edge and reduce per node; zero for a node without messages."""
    with graph.local_scope():
        graph.edges[etype].data["row"] = edge_rows
        graph.nodes[etype[2]].data["q"] = query
        graph.nodes[etype[2]].data["out"] = torch.zeros_like(query)
        if graph.num_edges(etype):
            graph.update_all(lambda edges: {"m": edges.data["row"]}, reduce, etype=etype)
        connected = (graph.in_degrees(etype=etype) > 0).unsqueeze(1)
        return graph.nodes[etype[2]].data["out"] * connected


def total(nodes: Any) -> dict[str, Tensor]:
    return {"out": nodes.mailbox["m"].sum(1)}


def homogeneous(
    graph: Any, weights: Weights, view: str, etype: Any, last: str, f: Tensor, x: Tensor
) -> Tensor:
    """One view among nodes of a kind; edges 2k and 2k+1 are each other's reverse."""
    src, _ = graph.edges(etype=etype)
    reverse = torch.arange(len(src)) ^ 1
    f_h, h = f, x
    for i in range(ROUNDS):
        f_h = attend(graph, etype, weights, f"mp.attn.{view}", f_h, h)
        h = relu(x + layer(weights, f"mp.mp_list.{view}.{i}", f_h[src] - h[reverse]))
    incoming = messages(graph, etype, h, total, torch.zeros_like(f))
    out = layer(weights, f"mp.node_last_layer.{last}", torch.cat([incoming, f_h, f], 1))
    return out * (graph.in_degrees(etype=etype) > 0).unsqueeze(1)


def reference(graph: Any, weights: Weights) -> dict[str, Tensor]:
    """Return the four outputs for a graph of `HeteroBatch.to_dgl`."""
    f_a = relu(layer(weights, "w_atom", graph.nodes["a"].data["f"]))
    f_p = relu(layer(weights, "w_pharm", graph.nodes["p"].data["f"]))
    x_b = relu(layer(weights, "w_bond", graph.edges["b"].data["x"]))
    x_r = relu(layer(weights, "w_reac", graph.edges["r"].data["x"]))
    j_a = relu(layer(weights, "w_junc", graph.nodes["a"].data["f_junc"]))
    j_p = relu(layer(weights, "w_junc", graph.nodes["p"].data["f_junc"]))
    to_p, to_a = ("a", "j", "p"), ("p", "j", "a")
    atoms, fragments = graph.edges(etype=to_p)
    for _ in range(ROUNDS):
        j_p = attend(graph, to_p, weights, "mp.attn.ajp", j_p, j_a[atoms])
        j_a = attend(graph, to_a, weights, "mp.attn.pja", j_a, j_p[fragments])
    incoming = messages(graph, to_p, j_a[atoms], total, torch.zeros_like(j_p))
    last = "mp.node_last_layer.junc"
    j_p = layer(weights, last, torch.cat([incoming, j_p, f_p], 1))
    incoming = messages(graph, to_a, j_p[fragments], total, torch.zeros_like(j_a))
    return {
        "atom": homogeneous(graph, weights, "aba", ("a", "b", "a"), "a", f_a, x_b),
        "fragment": homogeneous(graph, weights, "prp", ("p", "r", "p"), "p", f_p, x_r),
        "atom_junction": layer(weights, last, torch.cat([incoming, j_a, f_a], 1)),
        "fragment_junction": j_p,
    }
