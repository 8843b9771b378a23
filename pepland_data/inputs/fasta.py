"""Records of a FASTA file as chunks with the columns ``sequence`` and ``name``."""

from __future__ import annotations

from collections.abc import Iterator

from pepland_data.chem.notation.residue_letters import sequence_fault
from pepland_data.errors import InputError
from pepland_data.inputs.chunk import Chunk, Row, chunks_of
from pepland_data.inputs.text_lines import Lines, decoded

STARTS = (b">", b";")
"""How a FASTA file begins; a line that begins with the second is a comment."""


def fasta_chunks(lines: Lines, rows_per_chunk: int) -> Iterator[Chunk]:
    """Yield the records of a file in chunks.

    Raises:
        InputError: the file does not begin as FASTA does.
    """
    while lines.peek() and not lines.peek().strip():
        lines.take(1)
    if not lines.peek().startswith(STARTS):
        raise InputError(
            f"{lines.path} is not a FASTA file: its first line does not begin with '>'; give "
            "other files a suffix such as .csv or .txt, and leave out --input-format fasta"
        )
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
        elif not text.startswith(";"):
            parts += text.split()
    if name is not None or parts:
        yield _record(name, parts)


def _record(name: str | None, parts: list[str]) -> Row:
    """Return the residues, why they cannot be read, and the name.

    ``*`` at the end marks a stop codon and is dropped. Small letters mark regions of low complexity
    (soft masking) and are residues too.
    """
    residues = "".join(parts).removesuffix("*").upper()
    problem = sequence_fault(residues) if residues else "the record has no residues"
    return [residues, name or ""], problem or None
