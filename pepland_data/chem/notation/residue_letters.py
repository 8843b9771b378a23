"""What is wrong with the letters of a sequence, and sequences that may be of another kind."""

from __future__ import annotations

from pepland_data.chem.notation.detect import AMINO_ACIDS

GAPS = "-.~"
"""Signs for a gap in an alignment."""
MEANINGS = {
    "B": "aspartate or asparagine", "J": "leucine or isoleucine", "O": "pyrrolysine",
    "U": "selenocysteine or uracil", "X": "any residue", "Z": "glutamate or glutamine",
    "*": "a stop",
}  # fmt: skip
"""Letters of sequences that are none of the twenty amino acids -> what they stand for."""
SURELY_NUCLEOTIDES = 10
"""Residues from which on a sequence of A, C, G, T and N alone is no accident.

A quarter of the residues of proteins are one of these five: one sequence of ten in a million.
"""
DNA, RNA = "ACGTN", "ACGUN"


def sequence_fault(text: str) -> str:
    """Return why a text is not a sequence of the twenty amino acids, or ''."""
    place, letter = next(((i, c) for i, c in enumerate(text, 1) if c not in AMINO_ACIDS), (0, ""))
    if not letter:
        return ""
    if len(text) >= SURELY_NUCLEOTIDES and "U" in text and _all_in(text, RNA):
        return "looks like RNA, a sequence of A, C, G and U; translate it into residues"
    if letter in GAPS:
        return f"gap {letter!r} at position {place}; remove the gaps of the alignment"
    if letter.upper() in AMINO_ACIDS:
        return f"{letter!r} is a small letter; a sequence has capital letters"
    meaning = MEANINGS.get(letter)
    said = f"stands for {meaning}" if meaning else "is none of the twenty amino acids"
    return f"{letter!r} {said}: position {place}; expected one of the twenty amino acids"


def nucleotide_note(text: str) -> str:
    """Return a note on a sequence that looks like nucleotides, or ''.

    Repeats of one or two residues, as in poly-alanine or silk, are peptides.
    """
    if len(text) < SURELY_NUCLEOTIDES or not _all_in(text, DNA) or len(set(text) - {"N"}) < 3:
        return ""
    return "looks like nucleotides: only A, C, G, T and N; it was read as residues"


def _all_in(text: str, letters: str) -> bool:
    return not text.strip(letters)
