"""PharmHGT written down plainly: the reference that the fast model has to equal.

Legend of names and shapes: N nodes (A atoms or P fragments), E directed edges, d hidden width.
f [N, d] input of a node, f_h its state; x [E, d] input of an edge, h its state; j, j_h the same
in the junction view. Takes the state dict of `PharmHGT` as it is.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.feature_tables import ATOM_WIDTH, BOND_WIDTH, FRAGMENT_WIDTH
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.edges import Edges, directed_edges
from pepland_model.network.pharmhgt import VIEWS, PharmHGTOutput, is_junction


class PlainAttention(nn.Module):
    """softmax(Q K / sqrt(d / heads)) V over each node's incoming edges, then a linear.

    The four linears are Q, K, V and out, under their published names.
    """

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linears = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(4))

    def forward(self, query: Tensor, keys: Tensor, dst: Tensor) -> Tensor:
        """Return the attention output of every node.

        Args:
            query: [N, d].
            keys: [E, d], one row an incoming edge; keys and values come from it.
            dst: [E] int64, node that each edge enters.

        Returns:
            [N, d]; a node without edges gets the output layer's bias.
        """
        q, k, v = (
            layer(rows).unflatten(1, (self.heads, -1))
            for layer, rows in zip(self.linears[:3], (query, keys, keys), strict=True)
        )
        score = (q[dst] * k).sum(-1) / math.sqrt(q.shape[-1])
        weight = segment_softmax(score, dst, len(query))
        mixed = torch.zeros_like(q).index_add(0, dst, weight.unsqueeze(-1) * v)
        out: Tensor = self.linears[3](mixed.flatten(1))
        return out

    def value_out(self, keys: Tensor) -> Tensor:
        """Return the attention output over a set of one key, whose weight is 1. [N, d]."""
        out: Tensor = self.linears[3](self.linears[2](keys))
        return out


def segment_softmax(score: Tensor, dst: Tensor, num_nodes: int) -> Tensor:
    """Return the softmax of [E, heads] scores over the edges of each node, in float32."""
    score = score.float()
    index = dst.unsqueeze(1).expand_as(score)
    highest = score.new_full((num_nodes, score.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, index, score.detach(), "amax")
    exp = (score - highest[dst]).exp()
    total = torch.zeros_like(highest).index_add(0, dst, exp)
    return exp / total[dst]


class PlainMessagePassing(nn.Module):
    """The parameters of all rounds, under their published names."""

    def __init__(self, config: PharmHGTConfig) -> None:
        super().__init__()
        d, rounds = config.hidden, config.depth - 1
        self.attn = nn.ModuleDict({k: PlainAttention(d, config.heads) for k in VIEWS})
        self.mp_list = nn.ModuleDict(
            {k: nn.ModuleList(nn.Linear(d, d) for _ in range(rounds)) for k in ("aba", "prp")}
        )
        self.node_last_layer = nn.ModuleDict({k: nn.Linear(3 * d, d) for k in ("a", "p", "junc")})


class PlainPharmHGT(nn.Module):
    """The same network as `PharmHGT`, every state of every row computed where it stands.

    Example:
        >>> import pepland_data
        >>> batch = pepland_data.HeteroBatch.from_graphs([pepland_data.featurize("NCC(=O)O")])
        >>> PlainPharmHGT(PharmHGTConfig())(batch).atom.shape
        torch.Size([5, 300])
    """

    def __init__(self, config: PharmHGTConfig | None = None) -> None:
        super().__init__()
        self.config = config or PharmHGTConfig()
        d = self.config.hidden
        self.w_atom = nn.Linear(ATOM_WIDTH, d)
        self.w_bond = nn.Linear(BOND_WIDTH, d)
        self.w_pharm = nn.Linear(FRAGMENT_WIDTH, d)
        self.w_reac = nn.Linear(BOND_WIDTH, d)
        self.w_junc = nn.Linear(ATOM_WIDTH + FRAGMENT_WIDTH, d)
        self.mp = PlainMessagePassing(self.config)
        if not self.config.junction:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(not is_junction(name))

    def forward(self, batch: HeteroBatch) -> PharmHGTOutput:
        """Return the states of every atom and fragment of a batch.

        Args:
            batch: on the device of the parameters.
        """
        atoms, fragments = len(batch.atom_code), len(batch.fragment_code)
        bonds = directed_edges(batch.bond_begin, batch.bond_end, batch.bond_code, atoms)
        joints = directed_edges(
            batch.reaction_begin, batch.reaction_end, batch.reaction_code, fragments
        )
        tables, atom_code, fragment_code = batch.tables, batch.atom_code, batch.fragment_code
        f_a = _take(relu(self.w_atom(tables.atom_x)), atom_code)
        f_p = _take(relu(self.w_pharm(tables.fragment_x)), fragment_code)
        x_b = _take(relu(self.w_bond(tables.bond_x)), bonds.code)
        x_r = _take(relu(self.w_reac(tables.bond_x)), joints.code)
        atom = self._view("aba", "a", f_a, x_b, bonds)
        fragment = self._view("prp", "p", f_p, x_r, joints)
        if not self.config.junction:
            return PharmHGTOutput(atom, fragment, None, None, self.config.output)
        j_a, j_p = self._junction(batch, f_a, f_p)
        return PharmHGTOutput(atom, fragment, j_a, j_p, self.config.output)

    def _view(self, view: str, last: str, f: Tensor, x: Tensor, edges: Edges) -> Tensor:
        """Message passing among nodes of one kind; zero where no edge enters."""
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
        """Message passing between a fragment and its atoms, fragments first."""
        tables, home = batch.tables, batch.atom_fragment.long()
        row_a = nn.functional.pad(tables.atom_x, (0, FRAGMENT_WIDTH))
        row_p = nn.functional.pad(tables.fragment_x, (ATOM_WIDTH, 0))
        j_a = _take(relu(self.w_junc(row_a)), batch.atom_code)
        j_p = _take(relu(self.w_junc(row_p)), batch.fragment_code)
        to_fragment, to_atom = self.mp.attn["ajp"], self.mp.attn["pja"]
        for _ in range(self.config.depth - 1):
            j_p = to_fragment(j_p, j_a, home) + j_p
            # An atom has one fragment: its softmax is 1, so the value alone counts.
            j_a = to_atom.value_out(j_p)[home] + j_a  # type: ignore[operator]
        last = self.mp.node_last_layer["junc"]
        incoming = torch.zeros_like(j_p).index_add(0, home, j_a)
        j_p = last(torch.cat([incoming, j_p, f_p], 1))
        return last(torch.cat([j_p[home], j_a, f_a], 1)), j_p


def _take(table: Tensor, code: Tensor) -> Tensor:
    return table[code.long()]
