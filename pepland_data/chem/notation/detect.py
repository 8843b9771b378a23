"""Detect the notation of a text from its characters: SMILES, sequence or HELM."""

from __future__ import annotations

AMINO_ACIDS = frozenset("ACDEFGHIKLMNPQRSTVWY")
NEVER_SMILES = AMINO_ACIDS - frozenset("CFINPS")
"""Amino acids whose letters are not atoms in SMILES; a text with such a letter is a sequence."""

POLYMERS = ("PEPTIDE", "RNA", "CHEM", "BLOB")
"""The names of polymers that a HELM text can begin with."""


def detect_notation(text: str, input_format: str) -> str:
    """Return the notation of a text: ``smiles``, ``sequence``, ``helm`` or ``either``.

    Formats other than ``auto`` say it themselves. With ``auto``, a text with ``{`` is HELM if it
    contains ``$`` or begins with the name of a polymer. A text of amino acid letters is a sequence
    if one letter is not an atom in SMILES. ``either`` is a text of amino acid letters that are all
    atoms: it is a SMILES if RDKit can read it, otherwise a sequence.
    """
    if input_format != "auto":
        return "sequence" if input_format == "fasta" else input_format
    if "{" in text and ("$" in text or text.startswith(POLYMERS)):
        return "helm"
    if text and AMINO_ACIDS.issuperset(text):
        return "either" if NEVER_SMILES.isdisjoint(text) else "sequence"
    return "smiles"


def is_molblock(text: str) -> bool:
    """Return whether a text is a mol block of an SDF file; no other notation has such lines."""
    return "\nM  END" in text


def helm_of(sequence: str) -> str:
    """Return a sequence as HELM, which cannot be read as SMILES; the graph is the same."""
    return f"PEPTIDE1{{{'.'.join(sequence)}}}$$$$"
