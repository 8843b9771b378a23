"""Monomers of one or more chains with the bonds between them, and their HELM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

End = tuple[int, int, int]
"""Chain and place of a monomer, both from 0, and the number of its attachment point."""


class UnreadableError(ValueError):
    """Why a text cannot be read, without its notation."""


@dataclass(frozen=True)
class Residue:
    """A residue of a text."""

    name: str
    """As it stands in the text."""
    monomer: str
    """A symbol, or a SMILES with attachment points."""
    base: str = ""
    """The symbol of the residue of which it is a variant, or ''."""
    variants: str = ""
    """``D`` for a D form, ``N`` for an N-methylated residue."""
    modified: bool = False
    """Whether a group in parentheses belongs to it."""
    branch: tuple[str, ...] = ()
    """Monomers of a chain whose last R2 is bonded to its R3."""
    number: int = 0
    """Its number as the text gives it, 0 without one."""


@dataclass
class Peptide:
    """The structure that a text describes."""

    chains: list[list[str]] = field(default_factory=list)
    """Monomers as HELM writes them: ``A``, ``[Nle]``, or a SMILES ``[[*:1]N...]`` in brackets.

    Neighbours are joined by R2 and R1."""
    bonds: list[tuple[End, End]] = field(default_factory=list)
    """All other bonds."""

    def add(self, residues: Sequence[Residue], before: str = "", after: str = "") -> None:
        """Add a chain of residues between caps, and the chains at its side chains."""
        chain = [before, *(residue.monomer for residue in residues), after]
        main, first = len(self.chains), int(bool(before))
        self.chains.append([token(monomer) for monomer in chain if monomer])
        for place, residue in enumerate(residues, first):
            if residue.branch:
                end = (len(self.chains), len(residue.branch) - 1, 2)
                self.bonds.append((end, (main, place, 3)))
                self.chains.append([token(monomer) for monomer in residue.branch])

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


def check_connected(count: int, links: Iterable[tuple[End, End]]) -> None:
    """Refuse chains that no bond joins to the first."""
    joined = {0}
    for _ in range(count):
        for one, two in links:
            if joined & {one[0], two[0]}:
                joined |= {one[0], two[0]}
    if len(joined) < count:
        alone = min(set(range(count)) - joined) + 1
        raise UnreadableError(f"no bond joins chain {alone} to the others")
