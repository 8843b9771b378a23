"""Columns that a build adds to each molecule: its residues as HELM, and its descriptors.

The names need no RDKit; it is imported where values are made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pepland_data.chem.monomers.given import GivenMonomers

if TYPE_CHECKING:
    from rdkit import Chem

DESCRIPTORS = (
    "MolWt", "MolLogP", "MolMR", "TPSA", "LabuteASA", "NumHAcceptors", "NumHDonors",
    "NumRotatableBonds", "FractionCSP3", "RingCount", "NumAromaticRings", "NumAliphaticRings",
    "HeavyAtomCount", "NHOHCount", "NOCount", "HallKierAlpha", "Kappa1", "Kappa2", "Kappa3",
    "Chi0v", "Chi1v", "Chi2v", "Chi3v",
    *(f"PEOE_VSA{i}" for i in range(1, 15)), *(f"SMR_VSA{i}" for i in range(1, 11)),
    *(f"SlogP_VSA{i}" for i in range(1, 13)),
)  # fmt: skip
"""Sizes, counts, polarity and surface areas, as RDKit names them."""


def added_columns(add: Sequence[str]) -> dict[str, type]:
    """Return the names of the columns, and whether they hold `str` or `float`.

    Args:
        add: of `ADDED_NAMES`, ``helm`` and ``descriptors``.
    """
    helm = {"helm": str} if "helm" in add else {}
    return helm | (dict.fromkeys(DESCRIPTORS, float) if "descriptors" in add else {})


def prepare(add: Sequence[str], monomers: GivenMonomers | None) -> None:
    """Load what `values_of` needs, once per process."""
    if "helm" in add:
        from pepland_data.chem.residues.symbols import symbols_of

        symbols_of(monomers)
    if "descriptors" in add:
        import rdkit.Chem.Descriptors  # noqa: F401


def values_of(mol: Chem.Mol, add: Sequence[str], monomers: GivenMonomers | None) -> dict[str, Any]:
    """Return the values of a molecule by the name of their column, where it has one."""
    found: dict[str, Any] = {}
    if "helm" in add:
        from pepland_data.chem.residues.to_helm import helm_of_molecule

        helm = helm_of_molecule(mol, monomers).text
        found |= {"helm": helm} if helm else {}
    if "descriptors" in add:
        from rdkit.Chem import Descriptors

        numbers = {name: float(getattr(Descriptors, name)(mol)) for name in DESCRIPTORS}
        found |= {name: value for name, value in numbers.items() if math.isfinite(value)}
    return found
