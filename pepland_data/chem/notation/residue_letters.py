"""What is wrong with the letters of a sequence, and sequences that may be of another kind."""

from __future__ import annotations

import re

from pepland_data.chem.notation.alphabet import AMINO_ACIDS, RARE_AMINO_ACIDS
from pepland_data.chem.notation.odd_letters import odd_letter

LETTERS = AMINO_ACIDS | RARE_AMINO_ACIDS
HYDROXYPROLINE = re.compile("G[A-Z]O")
"""How collagen is written, where ``O`` is no pyrrolysine."""
GAPS = "-.~"
"""Signs for a gap in an alignment."""
MEANINGS = {
    "B": "aspartate or asparagine", "J": "leucine or isoleucine", "X": "any residue",
    "Z": "glutamate or glutamine", "*": "a stop",
}  # fmt: skip
"""Letters of sequences that are none of the twenty amino acids -> what they stand for."""
SURELY_NUCLEOTIDES = 10
"""Residues from which on a sequence of A, C, G, T and N alone is no accident.

A quarter of the residues of proteins are one of these five: one sequence of ten in a million.
"""
DNA, RNA = "ACGTN", "ACGUN"


def sequence_fault(text: str) -> str:
    """Return why a text is not a sequence of amino acids, the rare ones included, or ''."""
    place, letter = next(((i, c) for i, c in enumerate(text, 1) if c not in LETTERS), (0, ""))
    if not letter:
        return rare_letter_fault(text)
    if letter in GAPS:
        return f"gap {letter!r} at position {place}; remove the gaps of the alignment"
    if not letter.isascii():
        return odd_letter(text)
    if letter.upper() in AMINO_ACIDS:
        if looks_like_nucleotides(text):
            return "looks like nucleotides in small letters; translate them"
        return f"{letter!r} is a small letter; a sequence has capital letters"
    meaning = MEANINGS.get(letter)
    said = f"stands for {meaning}" if meaning else "is none of the twenty amino acids"
    return f"{letter!r} {said}: position {place}; expected one of the twenty amino acids"


def rare_letter_fault(text: str) -> str:
    """Return why ``U`` or ``O`` may be no selenocysteine or pyrrolysine, or ''."""
    if "U" in text and _all_in(text, RNA):
        return "looks like RNA, a sequence of A, C, G and U; translate it, or write HELM"
    if HYDROXYPROLINE.search(text):
        return "'O' after a residue after G may be hydroxyproline, as in collagen; write HELM"
    return ""


def nucleotide_note(text: str) -> str:
    """Return a note on a sequence that looks like nucleotides, or ''.

    Repeats of one or two residues, as in poly-alanine or silk, are peptides.
    """
    if _surely(text, DNA):
        return "looks like nucleotides: only A, C, G, T and N; it was read as residues"
    return ""


def looks_like_nucleotides(text: str) -> bool:
    """Return whether a text is DNA or RNA, in small letters too, and no peptide by accident."""
    return any(_surely(text, letters) for letters in (DNA, RNA, DNA.lower(), RNA.lower()))


def _surely(text: str, letters: str) -> bool:
    enough = len(text) >= SURELY_NUCLEOTIDES and _all_in(text, letters)
    return enough and len(set(text) - {"N", "n"}) >= 3


def _all_in(text: str, letters: str) -> bool:
    return not text.strip(letters)
