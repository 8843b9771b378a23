"""Read HELM with RDKit, or with helmkit for monomers that RDKit does not know."""

from __future__ import annotations

from typing import Any

from rdkit import Chem

from pepland_data.errors import InvalidMoleculeError


def read_helm(text: str) -> Any:
    """Return the molecule of a HELM text.

    RDKit reads natural and D residues and decides their atom order. helmkit reads all other texts.
    The molecule of helmkit is converted through its canonical SMILES, so that the graph is the one
    of that SMILES.

    Raises:
        InvalidMoleculeError: neither can read the text; the reason comes from helmkit.
    """
    mol = Chem.MolFromHELM(text)
    if mol is not None:
        return _without_residues(mol)
    try:
        from helmkit import Molecule
    except ImportError:
        why = "RDKit cannot read this HELM; it knows natural and D residues, helmkit knows more"
        raise InvalidMoleculeError(text, "parse", why) from None
    try:
        found = Molecule(text)
        smiles = Chem.MolToSmiles(found.mol)
    except (ValueError, KeyError, IndexError, RuntimeError) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise InvalidMoleculeError(text, "parse", f"unreadable HELM: {why}") from None
    if found.has_ambiguous_monomers:
        why = "HELM with an ambiguous monomer stands for no one molecule"
        raise InvalidMoleculeError(text, "parse", why)
    return Chem.MolFromSmiles(smiles)


def _without_residues(mol: Any) -> Any:
    """Return a molecule without the names of its residues, which only the plain path can read."""
    for atom in mol.GetAtoms():
        atom.SetMonomerInfo(None)
    return mol
