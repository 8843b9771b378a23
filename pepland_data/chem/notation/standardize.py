"""A text with salts, solvents and charges becomes the text of the peptide alone.

The steps are RDKit's own (`rdkit.Chem.MolStandardize.rdMolStandardize`): the largest piece of a
mixture (organic before inorganic), then its charges balanced where a proton can move. A quaternary
nitrogen keeps its charge. Texts that need none of it stay as they are, letter by letter.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize


def standardized(text: str) -> tuple[str, str]:
    """Return the SMILES of the neutral largest piece, and what was done to get there.

    Args:
        text: a SMILES.

    Returns:
        The text itself and ``''`` where nothing is to be done or RDKit cannot read it.
    """
    if not _may_change(text):
        return text, ""
    mol = Chem.MolFromSmiles(text)
    if mol is None:
        return text, ""
    mol, done = _largest(mol)
    mol, neutral = _neutral(mol)
    steps = done + neutral
    return (Chem.MolToSmiles(mol), "; ".join(steps)) if steps else (text, "")


def _may_change(text: str) -> bool:
    """Return whether a SMILES has several pieces or a charge."""
    return "." in text or ("[" in text and ("+" in text or "-" in text))


@cache
def _choosers() -> tuple[Any, Any]:
    parameters: Any = rdMolStandardize.CleanupParameters()
    parameters.preferOrganic = True
    return rdMolStandardize.LargestFragmentChooser(parameters), rdMolStandardize.Uncharger()


def _largest(mol: Any) -> tuple[Any, list[str]]:
    pieces = Chem.GetMolFrags(mol, asMols=True)
    if len(pieces) < 2:
        return mol, []
    kept = _choosers()[0].choose(mol)
    rest = sorted(Chem.MolToSmiles(piece) for piece in pieces)
    rest.remove(Chem.MolToSmiles(kept))
    return kept, [f"removed {', '.join(rest)}"]


def _neutral(mol: Any) -> tuple[Any, list[str]]:
    neutral = _choosers()[1].uncharge(mol)
    before, after = _charges(mol), _charges(neutral)
    if before == after:
        return mol, []
    return neutral, [f"neutralised {before - after} of {before} charges"]


def _charges(mol: Any) -> int:
    return sum(abs(atom.GetFormalCharge()) for atom in mol.GetAtoms())
