"""Records of a FASTA file as chunks with the columns ``sequence`` and ``name``."""

from __future__ import annotations

from collections.abc import Iterator

from pepland_data.chem.notation.detect import AMINO_ACIDS
from pepland_data.inputs.chunk import Chunk, Row, chunks_of
from pepland_data.inputs.text_lines import Lines, decoded

GAPS = "-.~"
"""Signs for a gap in an alignment."""


def fasta_chunks(lines: Lines, rows_per_chunk: int) -> Iterator[Chunk]:
    """Yield the records of a file in chunks."""
    return chunks_of(_records(decoded(lines)), ["sequence", "name"], 0, rows_per_chunk)


def _records(lines: Iterator[str]) -> Iterator[Row]:
    name: str | None = None
    parts: list[str] = []
    for line in lines:
        text = line.strip()
        if text.startswith(">"):
            if name is not None or parts:
                yield _record(name, parts)
            name, parts = text[1:].strip(), []
        elif text:
            parts.append("".join(text.split()))
    if name is not None or parts:
        yield _record(name, parts)


def _record(name: str | None, parts: list[str]) -> Row:
    """Return the residues, why they cannot be read, and the name.

    ``*`` at the end marks a stop codon and is dropped. Small letters mark regions of low complexity
    (soft masking) and are residues too.
    """
    residues = "".join(parts).removesuffix("*").upper()
    return [residues, name or ""], _problem(residues)


def _problem(residues: str) -> str | None:
    for position, letter in enumerate(residues, 1):
        if letter in GAPS:
            return f"gap {letter!r} at position {position}; remove the gaps of the alignment"
        if letter not in AMINO_ACIDS:
            return f"{letter!r} at position {position} is none of the twenty amino acids"
    return None
