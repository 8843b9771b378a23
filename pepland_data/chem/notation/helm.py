"""Read HELM as the SMILES of `helm_smiles`, or with RDKit, or with helmkit."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from rdkit import Chem

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.monomers.library import MonomerLibrary, library_of
from pepland_data.chem.notation.helm_smiles import helm_smiles
from pepland_data.chem.notation.plain_helm import plain_helm
from pepland_data.errors import InvalidMoleculeError

UNKNOWN = re.compile(r"Monomer (.+) (?:is not in the \w+|not in) monomer library", re.DOTALL)
"""How helmkit says that it does not know a monomer."""


def read_helm(text: str, given: GivenMonomers | None = None) -> Any:
    """Return the molecule of a HELM text.

    RDKit reads natural and D residues and decides their atom order, unless a given library defines
    a monomer of the text in another way. Other peptides are written as SMILES, whose order of atoms
    is that of the text. helmkit reads what remains. Its molecule is converted through its canonical
    SMILES, so that the graph is the one of that SMILES.

    Args:
        text: the HELM.
        given: monomers beside those of helmkit's library.

    Raises:
        InvalidMoleculeError: neither can read the text; the reason comes from helmkit.
    """
    smiles = helm_smiles(text, given)
    written = Chem.MolFromSmiles(smiles) if smiles else None
    if written is not None:
        return written
    library = library_of(given)
    plain = plain_helm(text)
    if not library.overrides_rdkit(plain):
        mol = Chem.MolFromHELM(plain)
        if mol is not None:
            return _without_residues(mol)
    return _read_with_helmkit(text, plain, library)


def smiles_of_translated(text: str, helm: str, given: GivenMonomers | None) -> str | None:
    """Return the HELM of a text in another notation as SMILES, None if `read_helm` has to read it.

    Args:
        text: the text.
        helm: its HELM.
        given: monomers beside those of helmkit's library.

    Raises:
        InvalidMoleculeError: no reader can read it.
    """
    smiles = helm_smiles(helm, given, translated=True)
    if smiles is None and "[*:" in helm:
        raise InvalidMoleculeError(text, "parse", "its bonds do not fit its monomers; write HELM")
    return smiles


def load_monomers(given: GivenMonomers | None) -> None:
    """Load the library once, so that no text pays for it; without helmkit there is none."""
    with suppress(ImportError):
        _ = library_of(given).monomers


def _read_with_helmkit(text: str, plain: str, library: MonomerLibrary) -> Any:
    try:
        from helmkit import Molecule
    except ImportError:
        why = "RDKit cannot read this HELM; it knows natural and D residues, helmkit knows more"
        raise InvalidMoleculeError(text, "parse", why) from None
    try:
        found = Molecule(plain, library.monomers)
        smiles = Chem.MolToSmiles(found.mol)
    except (ValueError, KeyError, IndexError, RuntimeError) as error:
        raise InvalidMoleculeError(text, "parse", _reason(error, library)) from None
    if found.has_ambiguous_monomers:
        why = "HELM with an ambiguous monomer stands for no one molecule"
        raise InvalidMoleculeError(text, "parse", why)
    return Chem.MolFromSmiles(smiles)


def _reason(error: Exception, library: MonomerLibrary) -> str:
    """Return why helmkit cannot read a text, and what to do about an unknown monomer."""
    unknown = UNKNOWN.match(str(error))
    if unknown is None:
        said = " ".join(str(error).split())[:200]
        return f"unreadable HELM: {said or type(error).__name__}"
    symbol = unknown[1]
    if why := library.faults.get(symbol):
        return f"unusable monomer: {symbol[:80]!r} of {why}"
    like = library.like(symbol)
    meant = f", but {like!r} is" if like else ""
    return (
        f"unknown monomer: {symbol[:80]!r} is in no library{meant}; name a library that defines it "
        "with --monomers FILE"
    )


def _without_residues(mol: Any) -> Any:
    """Return a molecule without the names of its residues, which only the plain path can read."""
    for atom in mol.GetAtoms():
        atom.SetMonomerInfo(None)
    return mol
