"""Detect the notation of a text from its characters."""

from __future__ import annotations

from pepland_data.chem.notation.alphabet import (
    AMINO_ACIDS,
    NEVER_SMILES,
    POLYMERS,
    RARE_AMINO_ACIDS,
)
from pepland_data.chem.notation.written.shapes import written_notation

SEQUENCE_LETTERS = AMINO_ACIDS | RARE_AMINO_ACIDS


def detect_notation(text: str, input_format: str) -> str:
    """Return the notation of a text: ``smiles``, ``sequence``, ``helm``, ``either`` or another.

    Formats other than ``auto`` say it themselves; a sequence with ``U`` or ``O`` is read as
    ``three-letter``. With ``auto``, a text with ``{`` is HELM if it
    contains ``$`` or begins with the name of a polymer. A text of amino acid letters is a sequence
    if one letter is not an atom in SMILES. ``either`` is a text of amino acid letters that are all
    atoms: it is a SMILES if RDKit can read it, otherwise a sequence. Texts that can be no SMILES
    may be in a notation of `written.shapes`.
    """
    if input_format in ("sequence", "fasta"):
        rare = SEQUENCE_LETTERS.issuperset(text) and not AMINO_ACIDS.issuperset(text)
        return "three-letter" if rare else "sequence"
    if input_format != "auto":
        return input_format
    if "{" in text and ("$" in text or text.startswith(POLYMERS)):
        return "helm"
    if text and AMINO_ACIDS.issuperset(text):
        return "either" if NEVER_SMILES.isdisjoint(text) else "sequence"
    return written_notation(text) or "smiles"


def is_molblock(text: str) -> bool:
    """Return whether a text is a mol block of an SDF file; no other notation has such lines."""
    return "\nM  END" in text


def helm_of(sequence: str) -> str:
    """Return a sequence as HELM, which cannot be read as SMILES; the graph is the same."""
    return f"PEPTIDE1{{{'.'.join(sequence)}}}$$$$"
