"""Remove salts, solvents and charges from a SMILES.

The steps are those of RDKit (`rdkit.Chem.MolStandardize.rdMolStandardize`): keep the largest
component (organic before inorganic), then neutralise its charges by adding or removing protons. A
quaternary nitrogen keeps its charge. A SMILES that needs no step is returned unchanged.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize


def standardized(text: str) -> tuple[str, str]:
    """Return the SMILES of the neutral largest component, and a note on the steps taken.

    Args:
        text: a SMILES.

    Returns:
        The text itself and ``''`` if no step is needed or RDKit cannot read the text.
    """
    if not _may_change(text):
        return text, ""
    mol = Chem.MolFromSmiles(text)
    if mol is None:
        return text, ""
    mol, removed = _largest(mol)
    mol, neutralised = _neutral(mol)
    steps = removed + neutralised
    return (Chem.MolToSmiles(mol), "; ".join(steps)) if steps else (text, "")


def _may_change(text: str) -> bool:
    """Return whether a SMILES has several components or a charge."""
    return "." in text or ("[" in text and ("+" in text or "-" in text))


@cache
def _tools() -> tuple[Any, Any]:
    parameters: Any = rdMolStandardize.CleanupParameters()
    parameters.preferOrganic = True
    return rdMolStandardize.LargestFragmentChooser(parameters), rdMolStandardize.Uncharger()


def _largest(mol: Any) -> tuple[Any, list[str]]:
    components = Chem.GetMolFrags(mol, asMols=True)
    if len(components) < 2:
        return mol, []
    kept = _tools()[0].choose(mol)
    rest = sorted(Chem.MolToSmiles(component) for component in components)
    rest.remove(Chem.MolToSmiles(kept))
    return kept, [f"removed {', '.join(rest)}"]


def _neutral(mol: Any) -> tuple[Any, list[str]]:
    neutral = _tools()[1].uncharge(mol)
    before, after = _charges(mol), _charges(neutral)
    if before == after:
        return mol, []
    return neutral, [f"neutralised {before - after} of {before} charges"]


def _charges(mol: Any) -> int:
    return sum(abs(atom.GetFormalCharge()) for atom in mol.GetAtoms())
