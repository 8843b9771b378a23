"""Rows of an input: lines, CSV fields and FASTA records as chunks of texts and other columns."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pepland_data.chem.notation.detect import detect_notation, helm_of
from pepland_data.inputs.header import holds_sequences
from pepland_data.inputs.text_lines import clean, unprintable

MAX_FIELD = 16 * 2**20
"""Characters of one CSV field; a quote that is never closed must not eat the file."""
Row = tuple[list[str], str | None]
"""Fields, and why the row cannot be read."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive input rows."""

    first_row: int
    """Number of the first row, from 0, header not counted."""
    texts: list[str]
    """[N] texts; '' where the row cannot be read."""
    problems: dict[int, str]
    """Place in the chunk -> why the row cannot be read."""
    extra: dict[str, Any]
    """Pass-through columns: lists of str or None, or pyarrow arrays where the input is typed."""
    sequences: bool = False
    """Whether the input calls its texts sequences: FASTA, or by the name of their column."""

    def __len__(self) -> int:
        return len(self.texts)

    def meant(self, input_format: str) -> dict[int, str]:
        """Return by place the texts that the column makes sequences, as HELM.

        With ``auto`` a text such as ``CNC`` is a SMILES; here it is three residues. In HELM it says
        so itself, wherever it goes.
        """
        if not self.sequences or input_format != "auto":
            return {}
        return {
            place: helm_of(text)
            for place, text in enumerate(self.texts)
            if detect_notation(text, input_format) == "either"
        }

    def parse(self) -> Chunk:
        """Return itself: it is read already."""
        return self


def csv_rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    """Yield the rows of CSV lines; a quoted field may go over many lines."""
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield [], f"unreadable row: {error}"
            continue
        yield row, None


def plain_rows(lines: Iterable[str]) -> Iterator[Row]:
    """Yield text and name of each line; what stands behind white space is the name."""
    return ((_text_and_name(line), None) for line in lines)


def _text_and_name(line: str) -> list[str]:
    parts = line.strip("\r\n").strip(" \t").split(None, 1)
    return [*parts, "", ""][:2] if parts else ["", ""]


def fasta_rows(lines: Iterator[str]) -> Iterator[Row]:
    """Yield sequence and name of each record."""
    name: str | None = None
    parts: list[str] = []
    for line in lines:
        text = line.strip()
        if text.startswith(">"):
            if name is not None or parts:
                yield _fasta_record(name, parts)
            name, parts = text[1:].strip(), []
        elif text:
            parts.append("".join(text.split()))
    if name is not None or parts:
        yield _fasta_record(name, parts)


def _fasta_record(name: str | None, parts: list[str]) -> Row:
    """Return a record's sequence, without the sign for the end of a translation, and its name."""
    return ["".join(parts).removesuffix("*"), name or ""], None


def chunk_of(batch: list[Row], names: list[str], text_at: int, first_row: int) -> Chunk:
    """Return rows as a chunk; those with too many fields or odd characters have a problem."""
    texts: list[str] = []
    problems: dict[int, str] = {}
    width = len(names)
    extra: dict[str, list[str | None]] = {n: [] for i, n in enumerate(names) if i != text_at}
    for place, (row, problem) in enumerate(batch):
        text = row[text_at].strip(" \t") if text_at < len(row) else ""
        if problem is None and len(row) > width:
            problem = f"{len(row)} fields, expected {width}"
        if problem is None and not text.isprintable():
            text, problem = unprintable(text)
        if problem is not None:
            problems[place] = problem
        texts.append(text)
        for i, name in enumerate(names):
            if i != text_at:
                value = row[i] if i < len(row) else ""
                extra[name].append(clean(value) or None)
    return Chunk(first_row, texts, problems, extra, holds_sequences(names[text_at]))
