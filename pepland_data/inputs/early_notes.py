"""What the first rows of an input show, said before an hour is spent on all of its rows.

The texts are judged by their letters. No molecule is made.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from statistics import median
from typing import TypeVar

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.notation.alphabet import AMINO_ACIDS
from pepland_data.chem.notation.detect import detect_notation, is_molblock
from pepland_data.chem.notation.foreign import foreign_reason
from pepland_data.chem.notation.residue_letters import looks_like_nucleotides
from pepland_data.chem.notation.written.shapes import BRACKETS, may_be_smiles, thorough_notation
from pepland_data.inputs.line_block import Block

FIRST_ROWS = 1000
"""Rows whose texts are judged; empty texts do not count."""
MIN_SHARE, FEWEST = 0.1, 10
"""Share and number of texts from which on something is said."""
LONG, USUAL = 100, 15
"""Residues of a long text, and of the peptide that its graph is compared with."""
ATOMS_OF_LONG = 800
"""Heavy atoms of `LONG` residues: 7.8 for each residue of proteins, rounded up."""
SEEN = 200
"""Characters in which another notation is recognised."""
NUCLEOTIDES = (
    "look like nucleotides: DNA is read as if its letters were residues, and RNA is rejected; "
    "translate them"
)
READABLE = "HELM or SMILES"

B = TypeVar("B", bound=Block)


def warn_early(blocks: Iterable[B], options: FeaturizeOptions) -> tuple[list[str], Iterator[B]]:
    """Warn of what the first rows show, and return the notes and all blocks, the first included.

    Args:
        blocks: the rows of an input; only the first blocks are taken.
        options: how the texts are read.
    """
    blocks = iter(blocks)
    first, texts = list[B](), list[str]()
    while len(texts) < FIRST_ROWS and (block := next(blocks, None)):
        first.append(block)
        texts += block.first_texts(FIRST_ROWS - len(texts))
    notes = early_notes([text for text in texts if text.strip()], options)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return notes, chain(first, blocks)


def early_notes(texts: list[str], options: FeaturizeOptions) -> list[str]:
    """Return a note for each thing that concerns many of the first texts, the most frequent first.

    Args:
        texts: the first texts of an input.
        options: how the texts are read.
    """
    found: dict[str, int] = {}
    lengths = list[int]()
    for text in texts:
        if fault := _fault(text):
            found[fault] = found.get(fault, 0) + 1
        elif (
            length := residues(text, options.input_format)
        ) > LONG and options.max_atoms > ATOMS_OF_LONG:
            lengths.append(length)
    if lengths:
        found[_about_long(lengths)] = len(lengths)
    least = max(FEWEST, MIN_SHARE * len(texts))
    ordered = sorted(found.items(), key=lambda one: -one[1])
    return [
        f"{count:,} of the first {len(texts):,} texts {what}"
        for what, count in ordered
        if count >= least
    ]


def residues(text: str, input_format: str) -> int:
    """Return the residues of a sequence or the monomers of a HELM text, 0 for other texts."""
    notation = detect_notation(text, input_format)
    if notation == "helm":
        polymers = BRACKETS.sub("", text.partition("$")[0])
        return polymers.count(".") + polymers.count("{")
    return len(text) if notation == "sequence" and AMINO_ACIDS.issuperset(text) else 0


def _fault(text: str) -> str:
    """Return what is wrong with a text, whatever its molecule, or ''."""
    if looks_like_nucleotides(text):
        return NUCLEOTIDES
    if is_molblock(text) or may_be_smiles(text) or detect_notation(text, "auto") != "smiles":
        return ""
    start = text[:SEEN]
    why = "" if thorough_notation(start) else foreign_reason(start, READABLE)
    return why and f"will be rejected: {why}, or name another column with --smiles-column"


def _about_long(lengths: list[int]) -> str:
    middle = median(lengths)
    return (
        f"have more than {LONG} residues (their median: {middle:,.0f}): PepLand was trained on "
        f"peptides, and such a graph has {middle / USUAL:.0f} times the atoms of one of {USUAL} "
        f"residues; --max-atoms {ATOMS_OF_LONG} leaves out most of them"
    )
