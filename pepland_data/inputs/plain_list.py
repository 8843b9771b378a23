"""Lines of a plain list (.smi, .txt): the text and its name, and files that are no such list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pepland_data.chem.notation.foreign import foreign_notation
from pepland_data.errors import InputError
from pepland_data.inputs.chunk import Row
from pepland_data.inputs.file_kind import READABLE

COMMENT = b"#"
"""First byte of a comment, as in RDKit and Open Babel; a line with one is a row without a text."""
CXSMILES = re.compile(r"\s+(\|(?=[$(&^@]|r[,|]|[A-Za-z]+\d*:)[^|]*\|)(?:\s+|$)")
"""Features of a molecule after its SMILES; part of the text, since some change the molecule."""
SMILES = re.compile(
    r"(?:\[\d*(?:[A-Z][a-z]?|[a-z]{1,2}|\*)(?:[@H+:\d-]|TH|AL|SP|TB|OH)*\]|Cl|Br|[BCNOPSFIbcnops]|"
    r"[*0-9%()=#$:/\\.~>-])+"
)
"""Whether a word may be a SMILES."""
SEQUENCE = re.compile(r"-*[A-Z][A-Z*.~-]+")
NO_NOTATION = ("", "a name in words", "a number", "a comment", "a missing value")
ENGLISH = frozenset((
    "a", "am", "an", "and", "are", "as", "at", "be", "by", "for", "has", "in", "is", "it", "of",
    "on", "or", "that", "the", "this", "to", "was", "with",
))  # fmt: skip
"""Words that make a line a sentence, even if it begins with the letters of atoms."""
MIN_LINES, MOST_LINES, MIN_SHARE = 5, 200, 0.2
"""Fewer lines are not judged, more are not looked at; the least share that may be peptides."""


def plain_rows(lines: Iterable[str]) -> Iterator[Row]:
    """Yield text and name of each line."""
    for line in lines:
        parts = line.strip("\r\n").strip(" \t").split(None, 1)
        if len(parts) > 1 and (parts[1][0] == "|" or _is_open(parts[0])):
            parts = _text_and_name(line.strip())
        yield [*parts, "", ""][:2], None


def _is_open(text: str) -> bool:
    return text.rfind("{") > text.rfind("}") or text.rfind("[") > text.rfind("]")


def _text_and_name(line: str) -> list[str]:
    """Divide a line at the first blank outside of brackets and braces, and after CXSMILES."""
    place = _end_of_text(line)
    found = CXSMILES.match(line, place)
    if found and "{" not in line[:place]:
        return [f"{line[:place]} {found[1]}", line[found.end() :]]
    return [line[:place], line[place:].lstrip()]


def _end_of_text(line: str) -> int:
    """Return the place of the first blank outside of brackets, or of any if one stays open."""
    depth = 0
    for place, letter in enumerate(line):
        depth += (letter in "[{") - (letter in "]}")
        if letter.isspace() and depth <= 0:
            return place
    return len(line) if depth <= 0 else len(line.split(None, 1)[0])


def check_list(path: Path, head: bytes) -> None:
    """Refuse a file whose lines are no peptides: prose, source code, a log, a table.

    Args:
        path: the file.
        head: its first lines, header not included; the last one may be incomplete.

    Raises:
        InputError: most lines cannot be a peptide in any notation.
    """
    lines = [line.strip() for line in head.decode("utf-8", "replace").split("\n")]
    lines = [line for line in lines[:-1] if line and not line.startswith(COMMENT.decode())]
    lines = lines[:MOST_LINES]
    bad = [line for line in lines if not _may_be_peptide(line)]
    if len(lines) >= MIN_LINES and len(bad) > (1 - MIN_SHARE) * len(lines):
        raise InputError(
            f"{path} is no list of peptides: {len(bad)} of its first {len(lines)} lines, as "
            f"{bad[0][:40]!r}, are no SMILES, sequence or HELM; inputs are {READABLE}, and under a "
            "first line 'smiles' every line is tried"
        )


def _may_be_peptide(line: str) -> bool:
    word, *others = line.split()
    in_words = len(others) > 2 or not ENGLISH.isdisjoint(others)
    if in_words and "\t" not in line and word.isalpha() and len(word) < 5:
        return False  # a sentence that begins with "In" or "I"
    if SEQUENCE.fullmatch(word) or (SMILES.fullmatch(word) and re.search("[A-Za-z]", word)):
        return True
    return foreign_notation(line[:200]) not in NO_NOTATION
