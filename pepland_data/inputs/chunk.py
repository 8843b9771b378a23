"""Rows of an input as a chunk of texts and pass-through columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pepland_data.chem.notation.detect import detect_notation, helm_of
from pepland_data.chem.notation.foreign import sequence_reason
from pepland_data.inputs.header import holds_sequences
from pepland_data.inputs.text_lines import clean, unprintable

REPLACED = "U+FFFD stands for each byte that is not; save the file as UTF-8"
Row = tuple[list[str], str | None]
"""Fields of a row, and why the row cannot be read."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive input rows."""

    first_row: int
    """Number of the first row, from 0, header not counted."""
    texts: list[str]
    """[N] texts; '' where the row cannot be read."""
    problems: dict[int, str]
    """Position in the chunk -> why the row cannot be read."""
    extra: dict[str, Any]
    """Pass-through columns: lists of str or None, or pyarrow arrays if the input has types."""
    sequences: bool = False
    """Whether the texts are sequences: FASTA, or a column whose name says so."""
    notes: dict[int, str] = field(default_factory=dict)
    """Position in the chunk -> what was changed in its pass-through columns."""

    def __len__(self) -> int:
        return len(self.texts)

    def texts_as_helm(self, input_format: str) -> dict[int, str]:
        """Return the HELM of each text that is a sequence only by the name of its column.

        With format ``auto`` a text such as ``CNC`` is read as SMILES. In a column of sequences it
        means three residues. HELM cannot be misread, so the store keeps the HELM.
        """
        if not self.sequences or input_format != "auto":
            return {}
        return {
            position: helm_of(text)
            for position, text in enumerate(self.texts)
            if detect_notation(text, input_format) == "either"
        }

    def reason(self, position: int, reason: str) -> str:
        """Return why a text became a reject; about a sequence, no reason speaks of SMILES."""
        if not self.sequences or "SMILES" not in reason:
            return reason
        return sequence_reason(self.texts[position]) or reason

    def first_texts(self, count: int) -> list[str]:
        """Return the texts of the first rows, at most so many."""
        return self.texts[:count]

    def parse(self) -> Chunk:
        """Return the chunk itself, which is parsed already (see `LineBlock.parse`)."""
        return self


def chunk_of(rows: list[Row], names: list[str], text_at: int, first_row: int) -> Chunk:
    """Return rows as a chunk; too many fields or unprintable characters are problems of a row.

    Args:
        rows: fields and problem of each row.
        names: column names; '' for a column that is left out.
        text_at: index of the text column.
        first_row: number of the first row.
    """
    texts: list[str] = []
    problems: dict[int, str] = {}
    notes: dict[int, str] = {}
    width = len(names)
    extra: dict[str, list[str | None]] = {n: [] for i, n in enumerate(names) if n and i != text_at}
    for position, (fields, problem) in enumerate(rows):
        text = fields[text_at].strip(" \t") if text_at < len(fields) else ""
        if problem is None and len(fields) > width:
            problem = f"{len(fields)} fields, expected {width}"
        if problem is None and not text.isprintable():
            text, problem = unprintable(text)
        if problem is not None:
            problems[position] = problem
        texts.append(text)
        for i, name in enumerate(names):
            if name and i != text_at:
                value = fields[i] if i < len(fields) else ""
                cleaned = clean(value)
                extra[name].append(cleaned or None)
                if cleaned != value:
                    notes.setdefault(position, f"column {name!r} is not UTF-8: {REPLACED}")
    return Chunk(first_row, texts, problems, extra, holds_sequences(names[text_at]), notes)


def chunks_of(
    rows: Iterator[Row], names: list[str], text_at: int, rows_per_chunk: int
) -> Iterator[Chunk]:
    """Yield rows in chunks of `rows_per_chunk`, the last one shorter."""
    first_row = 0
    while some := list(islice(rows, rows_per_chunk)):
        yield chunk_of(some, names, text_at, first_row)
        first_row += len(some)
