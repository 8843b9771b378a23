"""PharmHGT written plainly: the reference whose results the fast network must equal.

Names and shapes: N nodes (A atoms or P fragments), E directed edges, d hidden width.
f [N, d] is the input of a node and f_h its state; x [E, d] the input of an edge and h its state;
j and j_h are the same in the junction view.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.feature_tables import ATOM_WIDTH, FRAGMENT_WIDTH
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.edges import Edges, view_edges
from pepland_model.network.layers import AttentionLayers, PharmHGTLayers
from pepland_model.network.output import PharmHGTOutput


class PlainAttention(AttentionLayers):
    """softmax(Q K / sqrt(d / heads)) V over the edges that enter a node, then a linear layer."""

    def forward(self, query: Tensor, keys: Tensor, dst: Tensor) -> Tensor:
        """Return the attention output of every node.

        Args:
            query: [N, d].
            keys: [E, d], one row per incoming edge; keys and values are computed from it.
            dst: [E] int64, node that each edge enters.

        Returns:
            [N, d]; a node without edges gets the bias of the output layer.
        """
        q, k, v = (
            layer(rows).unflatten(1, (self.heads, -1))
            for layer, rows in zip(self.linears[:3], (query, keys, keys), strict=True)
        )
        score = (q[dst] * k).sum(-1) / math.sqrt(q.shape[-1])
        weight = softmax_by_node(score, dst, len(query))
        mixed = torch.zeros_like(q).index_add(0, dst, weight.unsqueeze(-1) * v)
        out: Tensor = self.linears[3](mixed.flatten(1))
        return out


def softmax_by_node(score: Tensor, dst: Tensor, num_nodes: int) -> Tensor:
    """Return the softmax of [E, heads] scores over the edges of each node, in float32."""
    score = score.float()
    index = dst.unsqueeze(1).expand_as(score)
    highest = score.new_full((num_nodes, score.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, index, score.detach(), "amax")
    exp = (score - highest[dst]).exp()
    total = torch.zeros_like(highest).index_add(0, dst, exp)
    return exp / total[dst]


class PlainPharmHGT(PharmHGTLayers):
    """The same network as `PharmHGT`; every state of every row is computed.

    Examples:
        >>> import pepland_data
        >>> batch = pepland_data.HeteroBatch.from_graphs([pepland_data.featurize("NCC(=O)O")])
        >>> PlainPharmHGT(PharmHGTConfig())(batch).atom.shape
        torch.Size([5, 300])
    """

    def __init__(self, config: PharmHGTConfig | None = None) -> None:
        super().__init__(config, PlainAttention)

    def forward(self, batch: HeteroBatch) -> PharmHGTOutput:
        """Return the states of every atom and fragment of a batch on the parameters' device."""
        bonds = view_edges(batch, "bond", len(batch.atom_code))
        reactions = view_edges(batch, "reaction", len(batch.fragment_code))
        f_a = relu(self.w_atom(batch.tables.atom_x))[batch.atom_code.long()]
        f_p = relu(self.w_pharm(batch.tables.fragment_x))[batch.fragment_code.long()]
        x_b = relu(self.w_bond(batch.tables.bond_x))[bonds.code]
        x_r = relu(self.w_reac(batch.tables.bond_x))[reactions.code]
        atom = self._view("aba", "a", f_a, x_b, bonds)
        fragment = self._view("prp", "p", f_p, x_r, reactions)
        if not self.config.junction:
            return PharmHGTOutput(atom, fragment, None, None, self.config.output)
        j_a, j_p = self._junction(batch, f_a, f_p)
        return PharmHGTOutput(atom, fragment, j_a, j_p, self.config.output)

    def _view(self, view: str, last: str, f: Tensor, x: Tensor, edges: Edges) -> Tensor:
        """Return f_h after message passing among nodes of one kind; zero where no edge enters."""
        attend = self.mp.attn[view]
        connected = (edges.in_degree() > 0).to(f.dtype).unsqueeze(1)
        f_h, h = f, x
        for layer in cast(nn.ModuleList, self.mp.mp_list[view]):
            f_h = (attend(f_h, h, edges.dst) + f_h) * connected
            h = relu(x + layer(f_h[edges.src] - h[edges.reverse]))
        incoming = torch.zeros_like(f_h).index_add(0, edges.dst, h)
        out: Tensor = self.mp.node_last_layer[last](torch.cat([incoming, f_h, f], 1))
        return out * connected

    def _junction(self, batch: HeteroBatch, f_a: Tensor, f_p: Tensor) -> tuple[Tensor, Tensor]:
        """Return j_h of atoms and fragments after message passing between them."""
        tables, home = batch.tables, batch.atom_fragment.long()
        rows_a = pad(tables.atom_x, (0, FRAGMENT_WIDTH))  # [atom | 0]
        rows_p = pad(tables.fragment_x, (ATOM_WIDTH, 0))  # [0 | fragment]
        j_a = relu(self.w_junc(rows_a))[batch.atom_code.long()]
        j_p = relu(self.w_junc(rows_p))[batch.fragment_code.long()]
        to_fragment, to_atom = self.mp.attn["ajp"], cast(PlainAttention, self.mp.attn["pja"])
        for _ in range(self.config.rounds):
            j_p = to_fragment(j_p, j_a, home) + j_p
            # An atom has one fragment, whose attention weight is 1: the value alone counts.
            j_a = to_atom.value_out(j_p)[home] + j_a
        last = self.mp.node_last_layer["junc"]
        incoming = torch.zeros_like(j_p).index_add(0, home, j_a)
        j_p = last(torch.cat([incoming, j_p, f_p], 1))
        return last(torch.cat([j_p[home], j_a, f_a], 1)), j_p
