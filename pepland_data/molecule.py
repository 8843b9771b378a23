"""A text becomes a molecule, or a reason why it cannot."""

from __future__ import annotations

from typing import Any

from rdkit import Chem, RDLogger, rdBase

from pepland_data.errors import InvalidMoleculeError

MAX_TEXT = 100_000
"""Longer texts are refused before RDKit sees them (characters)."""


def parse_smiles(text: str, max_atoms: int) -> Any:
    """Return a sanitised molecule whose atoms and bonds all have a feature row.

    Raises:
        InvalidMoleculeError: with stage ``parse`` or ``limits``.
    """
    if not text.strip():
        raise InvalidMoleculeError(text, "parse", "the text is empty")
    if len(text) > MAX_TEXT:
        reason = f"{len(text):,} characters are more than the {MAX_TEXT:,} allowed"
        raise InvalidMoleculeError(text, "limits", reason)
    if "\0" in text:
        raise InvalidMoleculeError(text, "parse", "the text holds a NUL character")
    with RdkitMessages() as messages:
        mol = Chem.MolFromSmiles(text)
    if mol is None:
        raise InvalidMoleculeError(text, "parse", messages.reason("RDKit cannot read this SMILES"))
    check_molecule(text, mol, max_atoms)
    return mol


def check_molecule(text: str, mol: Any, max_atoms: int) -> None:
    """Refuse what the published features cannot express."""
    count = mol.GetNumAtoms()
    if count == 0:
        raise InvalidMoleculeError(text, "parse", "the molecule has no atoms")
    if count > max_atoms:
        reason = f"{count:,} atoms are more than the {max_atoms:,} allowed"
        raise InvalidMoleculeError(text, "limits", reason)


class RdkitMessages:
    """Collect what RDKit logs instead of printing it."""

    def __enter__(self) -> RdkitMessages:
        self._block = rdBase.BlockLogs()
        return self

    def __exit__(self, *_: object) -> None:
        del self._block

    def reason(self, fallback: str) -> str:
        """Return the sentence for a reject."""
        return fallback


def silence_rdkit() -> None:
    """Stop RDKit from printing warnings in a worker."""
    RDLogger.DisableLog("rdApp.*")
