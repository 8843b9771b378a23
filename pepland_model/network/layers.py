"""The layers of PharmHGT under their published names, without a forward pass.

A published state dict fits them as it is. `pharmhgt.PharmHGT` and `plain_pharmhgt.PlainPharmHGT`
are two forward passes over the same layers.
"""

from __future__ import annotations

from torch import Tensor, nn

from pepland_data.graph.feature_tables import ATOM_WIDTH, BOND_WIDTH, FRAGMENT_WIDTH
from pepland_model.network.config import PharmHGTConfig

ATTENTIONS = ("aba", "prp", "ajp", "pja")
"""Atom to atom, fragment to fragment, atom to its fragment, fragment to its atoms."""


class AttentionLayers(nn.Module):
    """The four linear layers of multi-head attention: query, key, value and output."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linears = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(4))

    def value_out(self, keys: Tensor) -> Tensor:
        """Return the attention output over a set of one key, whose weight is 1. [N, d]."""
        out: Tensor = self.linears[3](self.linears[2](keys))
        return out


class MessagePassing(nn.Module):
    """The layers of all rounds, and the last layers."""

    def __init__(self, config: PharmHGTConfig, attention: type[AttentionLayers]) -> None:
        super().__init__()
        d, rounds = config.hidden, config.rounds
        self.attn = nn.ModuleDict({k: attention(d, config.heads) for k in ATTENTIONS})
        self.mp_list = nn.ModuleDict(
            {k: nn.ModuleList(nn.Linear(d, d) for _ in range(rounds)) for k in ("aba", "prp")}
        )
        self.node_last_layer = nn.ModuleDict({k: nn.Linear(3 * d, d) for k in ("a", "p", "junc")})


class PharmHGTLayers(nn.Module):
    """All layers; those that no output needs get no gradient."""

    def __init__(self, config: PharmHGTConfig | None, attention: type[AttentionLayers]) -> None:
        super().__init__()
        self.config = config or PharmHGTConfig()
        d = self.config.hidden
        self.w_atom = nn.Linear(ATOM_WIDTH, d)
        self.w_bond = nn.Linear(BOND_WIDTH, d)
        self.w_pharm = nn.Linear(FRAGMENT_WIDTH, d)
        self.w_reac = nn.Linear(BOND_WIDTH, d)
        self.w_junc = nn.Linear(ATOM_WIDTH + FRAGMENT_WIDTH, d)
        self.mp = MessagePassing(self.config, attention)
        if not self.config.junction:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(not is_junction(name))


def is_junction(name: str) -> bool:
    """Return whether only the junction view uses the parameter of this name."""
    return name.startswith(("w_junc", "mp.attn.ajp", "mp.attn.pja", "mp.node_last_layer.junc"))
