"""What a text is, told from its letters alone: SMILES, sequence or HELM."""

from __future__ import annotations

AMINO_ACIDS = frozenset("ACDEFGHIKLMNPQRSTVWY")
NEVER_SMILES = AMINO_ACIDS - frozenset("CFINPS")
"""Letters that stand for no atom of a SMILES: a text of residues that holds one is a sequence."""

POLYMERS = ("PEPTIDE", "RNA", "CHEM", "BLOB")
"""How HELM begins."""


def kind_of(text: str, input_format: str) -> str:
    """Return how a text is to be read: ``smiles``, ``sequence``, ``helm`` or ``either``.

    With ``auto``, a text with ``{`` and ``$``, or that begins as HELM does, is HELM; residue
    letters of which one stands for no atom are a sequence; other residue letters are a SMILES if
    they are one, else a sequence.
    """
    if input_format != "auto":
        return "sequence" if input_format == "fasta" else input_format
    if "{" in text and ("$" in text or text.startswith(POLYMERS)):
        return "helm"
    if text and AMINO_ACIDS.issuperset(text):
        return "either" if NEVER_SMILES.isdisjoint(text) else "sequence"
    return "smiles"


def helm_of(sequence: str) -> str:
    """Return a sequence in HELM, which nobody takes for a SMILES; its graph is the same."""
    return f"PEPTIDE1{{{'.'.join(sequence)}}}$$$$"
