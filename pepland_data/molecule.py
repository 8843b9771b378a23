"""A text becomes a molecule, or a reason why it cannot."""

from __future__ import annotations

from typing import Any

from rdkit import Chem, rdBase

from pepland_data.errors import InvalidMoleculeError

MAX_TEXT = 100_000
"""Longer texts are refused before RDKit sees them (characters)."""


INPUT_FORMATS = ("auto", "smiles", "sequence", "fasta", "helm")
AMINO_ACIDS = frozenset("ACDEFGHIKLMNPQRSTVWY")
READERS: dict[str, tuple[Any, str]] = {
    "smiles": (Chem.MolFromSmiles, "RDKit cannot read this SMILES"),
    "sequence": (Chem.MolFromSequence, "RDKit cannot read this sequence"),
    "helm": (Chem.MolFromHELM, "RDKit cannot read this HELM; it knows natural and D residues"),
}


def parse(text: str, input_format: str, max_atoms: int) -> Any:
    """Return a sanitised molecule of allowed size.

    With ``auto`` a text with ``{`` and ``$`` is HELM, and one of the twenty letters that is no
    SMILES is a sequence.

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
    mol, why = _read(text, input_format)
    if mol is None:
        raise InvalidMoleculeError(text, "parse", why)
    check_molecule(text, mol, max_atoms)
    return mol


def _read(text: str, input_format: str) -> tuple[Any, str]:
    kind = {"fasta": "sequence", "auto": "smiles"}.get(input_format, input_format)
    if input_format == "auto" and "{" in text and "$" in text:
        kind = "helm"
    if kind == "sequence" and not AMINO_ACIDS.issuperset(text):
        unknown = sorted(set(text) - AMINO_ACIDS)[0]
        return None, f"{unknown!r} is none of the twenty amino acids"
    reader, why = READERS[kind]
    with QuietRdkit():
        mol = reader(text)
        if mol is None and input_format == "auto" and AMINO_ACIDS.issuperset(text):
            mol = Chem.MolFromSequence(text)
    return mol, why


def check_molecule(text: str, mol: Any, max_atoms: int) -> None:
    """Refuse what the published features cannot express."""
    count = mol.GetNumAtoms()
    if count == 0:
        raise InvalidMoleculeError(text, "parse", "the molecule has no atoms")
    if count > max_atoms:
        reason = f"{count:,} atoms are more than the {max_atoms:,} allowed"
        raise InvalidMoleculeError(text, "limits", reason)


class QuietRdkit:
    """Keep RDKit from printing."""

    def __enter__(self) -> QuietRdkit:
        self._block = rdBase.BlockLogs()
        return self

    def __exit__(self, *_: object) -> None:
        del self._block
