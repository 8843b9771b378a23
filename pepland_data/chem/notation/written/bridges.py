"""Disulfides named behind a sequence: ``(1-6)``, ``(disulfide bridge: Cys2-Cys7)``."""

from __future__ import annotations

import re
from typing import NamedTuple

PAIR = r"(?:Cys|C)?\d{1,4}-(?:Cys|C)?\d{1,4}"
PAIRS = rf"(?P<pairs>{PAIR}(?:[,;] ?{PAIR})*)"
WORDS = r"(?i:disul(?:f|ph)ide(?: bridges?| bonds?)?)"
IN_PARENTHESES = re.compile(rf"(?P<words>{WORDS}:? ?)?{PAIRS}")
AFTER_BLANK = re.compile(rf" {PAIRS} (?P<words>{WORDS})$")
LONGEST = 200
"""Characters at the end in which disulfides are looked for."""
HYPHENS = dict.fromkeys(map(ord, "‐‑–−"), "-")


class Bridge(NamedTuple):
    """A disulfide between two residues, numbered from 1."""

    one: int
    two: int
    named: bool
    """Whether the text says that it is a disulfide; two numbers alone may be another thing."""


def plain(text: str) -> str:
    """Return a text with one kind of hyphen and single blanks."""
    return " ".join(text.translate(HYPHENS).split())


def without_bridges(text: str) -> tuple[str, list[Bridge]]:
    """Return a text without the disulfides named at its end, and these."""
    found = AFTER_BLANK.search(text, max(0, len(text) - LONGEST))
    start = found.start() if found else text.rfind("(")
    if not found and text.endswith(")") and start > 0:
        found = IN_PARENTHESES.fullmatch(text, start + 1, len(text) - 1)
    if not found:
        return text, []
    numbers = list(map(int, re.findall(r"\d+", found["pairs"])))
    named = bool(found["words"])
    bridges = [Bridge(*pair, named) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
    return text[:start].rstrip(" ,;"), bridges
