"""Monomers of one or more chains with the bonds between them, and their HELM."""

from __future__ import annotations

from dataclasses import dataclass, field

End = tuple[int, int, int]
"""Chain and place of a monomer, both from 0, and the number of its attachment point."""


class UnreadableError(ValueError):
    """Why a text cannot be read, without its notation."""


@dataclass
class Peptide:
    """The structure that a text describes."""

    chains: list[list[str]]
    """Monomers as HELM writes them: ``A``, ``[Nle]``, or a SMILES ``[[*:1]N...]`` in brackets.

    Neighbours are joined by R2 and R1."""
    bonds: list[tuple[End, End]] = field(default_factory=list)
    """All other bonds."""

    def helm(self) -> str:
        """Return the structure as HELM."""
        chains = [f"PEPTIDE{i}{{{'.'.join(chain)}}}" for i, chain in enumerate(self.chains, 1)]
        bonds = [_bond(*ends) for ends in self.bonds]
        return f"{'|'.join(chains)}${'|'.join(bonds)}$$$V2.0"


def _bond(one: End, two: End) -> str:
    chains = ",".join(f"PEPTIDE{chain + 1}" for chain, _, _ in (one, two))
    return f"{chains},{'-'.join(f'{place + 1}:R{point}' for _, place, point in (one, two))}"


def token(monomer: str) -> str:
    """Return a symbol or a SMILES as a monomer of HELM."""
    return monomer if len(monomer) == 1 else f"[{monomer}]"
