"""Records of a FASTA file as chunks with the columns ``sequence`` and ``name``."""

from __future__ import annotations

from collections.abc import Iterator

from pepland_data.inputs.chunk import Chunk, Row, chunks_of
from pepland_data.inputs.text_lines import Lines, decoded


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
    """Return sequence and name; ``*`` at the end marks a stop codon and is dropped."""
    return ["".join(parts).removesuffix("*"), name or ""], None
