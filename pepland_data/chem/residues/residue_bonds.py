"""The bonds between residues: amides, esters, sulfonamides and disulfides, not those of a ring."""

from __future__ import annotations

from typing import Any

from rdkit import Chem

PATTERNS = tuple(map(Chem.MolFromSmarts, (
    "[CX3;$(C=O);!$(C(~[#7])~[#7])]-[NX3;D2,D3;!$(N(C=O)C=O)]",
    "[CX3;$(C(=O)[#6][#7])]-[NH2;D1]",
    "[CX3;$(C(=O)[#6])]-[OX2;$(O[#6;!$(C=O)])]",
    "[SX4;$(S(=O)(=O)[#6])]-[NX3;D2,D3;!$(NC=O)]",
    "[SX2;$(S[#6])]-[SX2;$(S[#6])]",
)))  # fmt: skip
"""Amide or carbamate, amide at the end of a chain, ester, sulfonamide, disulfide."""
SMALL_RING = 8
"""A ring of fewer atoms is a part of a residue, unless two bonds of it are between residues."""


def residue_bonds(mol: Any) -> list[tuple[int, int]]:
    """Return the two atoms of each bond between residues."""
    found = {
        mol.GetBondBetweenAtoms(*match).GetIdx()
        for pattern in PATTERNS
        for match in mol.GetSubstructMatches(pattern, maxMatches=mol.GetNumAtoms())
    }
    rings = mol.GetRingInfo()
    if any(0 < rings.MinBondRingSize(bond) < SMALL_RING for bond in found):
        small = [set(ring) for ring in rings.BondRings() if len(ring) < SMALL_RING]
        alone = [ring & found for ring in small if len(ring & found) == 1]
        found = found.difference(*alone)
    ends = (mol.GetBondWithIdx(bond) for bond in found)
    return [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in ends]
