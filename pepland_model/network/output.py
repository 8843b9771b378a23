"""The states that the network returns, and the embeddings made of them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pepland_model.network.takers import Takers


@dataclass(frozen=True, eq=False)
class Round:
    """The inputs f of the nodes of a view (round 0), their states after a round, or embeddings."""

    states: Tensor
    """[S, d]; equal states may be one row."""
    rows: Tensor | None = None
    """[N] int64, row of each node; None where node v has row v."""
    takers: Takers | None = None
    """Of `rows`, where they are known."""


@dataclass(frozen=True, eq=False)
class PharmHGTOutput:
    """The four states of a batch; `PharmHGTConfig.output` decides which form the embedding."""

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
    atom_rounds: tuple[Round, ...] = ()
    """The atoms before the first round and after each, if they were asked for."""
    fragment_rounds: tuple[Round, ...] = ()
    """The same for the fragments."""

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
