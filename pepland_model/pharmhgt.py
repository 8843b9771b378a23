"""PharmHGT: message passing over atoms, over fragments, and across the junction between them.

Legend of names and shapes: N nodes (A atoms or P fragments), E directed edges, d hidden width.
f [N, d] input of a node, f_h its state; x [E, d] input of an edge, h its state; j, j_h the same in the
junction view. Parameters carry the published names, so a published state dict fits as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from pepland_data.batch import HeteroBatch
from pepland_data.tables import ATOM_WIDTH, BOND_WIDTH, FRAGMENT_WIDTH
from pepland_model.attention import Attention
from pepland_model.config import PharmHGTConfig
from pepland_model.edges import Edges, directed_edges


@dataclass(frozen=True, eq=False)
class PharmHGTOutput:
    """The four states of a batch; the embedding is what `PharmHGTConfig.output` makes of them."""

    atom: Tensor
    """[A, d], f_h of the atoms."""
    fragment: Tensor
    """[P, d], f_h of the fragments."""
    atom_junction: Tensor | None
    """[A, d], j_h of the atoms; None with output ``homo``."""
    fragment_junction: Tensor | None
    """[P, d], j_h of the fragments; None with output ``homo``."""
    output: str
    """``homo``, ``checkpoint`` or ``fused``."""

    @property
    def atom_embedding(self) -> Tensor:
        """[A, d]: f_h, or the mean of f_h and j_h."""
        return self.atom if self.atom_junction is None else (self.atom + self.atom_junction) / 2

    @property
    def fragment_embedding(self) -> Tensor:
        """[P, d]: f_h, or with output ``fused`` the mean of f_h and j_h."""
        if self.output != "fused" or self.fragment_junction is None:
            return self.fragment
        return (self.fragment + self.fragment_junction) / 2


class MessagePassing(nn.Module):
    """The parameters of all rounds, under their published names."""

    def __init__(self, config: PharmHGTConfig) -> None:
        super().__init__()
        d, rounds = config.hidden, config.depth - 1
        self.attn = nn.ModuleDict({k: Attention(d, config.heads) for k in VIEWS})
        self.mp_list = nn.ModuleDict(
            {k: nn.ModuleList(nn.Linear(d, d) for _ in range(rounds)) for k in ("aba", "prp")}
        )
        self.node_last_layer = nn.ModuleDict({k: nn.Linear(3 * d, d) for k in ("a", "p", "junc")})


VIEWS = ("aba", "prp", "ajp", "pja")


class PharmHGT(nn.Module):
    """The network of PepLand, its three outputs, and nothing that no output needs.

    Example:
        >>> import pepland_data
        >>> batch = pepland_data.HeteroBatch.from_graphs([pepland_data.featurize("NCC(=O)O")])
        >>> PharmHGT(PharmHGTConfig())(batch).atom.shape
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
        self.mp = MessagePassing(self.config)
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
        f_a = lookup(relu(self.w_atom(tables.atom_x)), atom_code)
        f_p = lookup(relu(self.w_pharm(tables.fragment_x)), fragment_code)
        x_b = lookup(relu(self.w_bond(tables.bond_x)), bonds.code)
        x_r = lookup(relu(self.w_reac(tables.bond_x)), joints.code)
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
        for layer in self.mp.mp_list[view]:  # type: ignore[union-attr]
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
        j_a = lookup(relu(self.w_junc(row_a)), batch.atom_code)
        j_p = lookup(relu(self.w_junc(row_p)), batch.fragment_code)
        to_fragment, to_atom = self.mp.attn["ajp"], self.mp.attn["pja"]
        for _ in range(self.config.depth - 1):
            j_p = to_fragment(j_p, j_a, home) + j_p
            # An atom has one fragment: its softmax is 1, so the value alone counts.
            j_a = to_atom.value_out(j_p)[home] + j_a  # type: ignore[operator]
        last = self.mp.node_last_layer["junc"]
        incoming = torch.zeros_like(j_p).index_add(0, home, j_a)
        j_p = last(torch.cat([incoming, j_p, f_p], 1))
        return last(torch.cat([j_p[home], j_a, f_a], 1)), j_p

    def load_upstream_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load weights under the published names; readouts and output MLP are checked, not kept.

        Raises:
            InputError: for a missing or unknown name or another shape.
        """
        from pepland_model.upstream import encoder_weights

        self.load_state_dict(encoder_weights(state_dict, self.config))


def is_junction(name: str) -> bool:
    """Return whether only the junction view uses the parameter."""
    return name.startswith(("w_junc", "mp.attn.ajp", "mp.attn.pja", "mp.node_last_layer.junc"))


def lookup(table: Tensor, code: Tensor) -> Tensor:
    """Return ``table[code]``; the gradient sums by sorted code, not by colliding atomics."""
    return nn.functional.embedding(code, table)
