"""Brackets of a text: whether they match, and what stands between them."""

from __future__ import annotations

import re

from pepland_data.chem.notation.written.structure import UnreadableError

PAIRS = {"(": ")", "[": "]", "{": "}"}
CLOSING = frozenset(PAIRS.values())
BRACKETS = CLOSING.union(PAIRS)


def check_brackets(text: str) -> None:
    """Refuse brackets that do not match."""
    expected: list[str] = []
    for place, letter in enumerate(text, 1):
        if letter in PAIRS:
            expected.append(PAIRS[letter])
        elif letter in CLOSING and (not expected or expected.pop() != letter):
            raise UnreadableError(f"{letter!r} at character {place} closes no bracket")
    if expected:
        raise UnreadableError(f"a bracket is not closed; {expected[-1]!r} is missing")


def end_of_group(text: str, start: int) -> int:
    """Return the place of the bracket that closes the one at `start`, of a checked text."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] in PAIRS) - (text[place] in CLOSING)
        if depth == 0:
            return place
    return len(text)


def split_at(text: str, marks: str) -> list[str]:
    """Return the parts of a checked text between marks that are in no brackets."""
    if BRACKETS.isdisjoint(text):
        return re.split(f"[{re.escape(marks)}]", text)
    depth, start, parts = 0, 0, []
    for found in re.finditer(rf"[()\[\]{{}}{re.escape(marks)}]", text):
        letter = found[0]
        if letter in marks and depth == 0:
            parts.append(text[start : found.start()])
            start = found.end()
        depth += (letter in PAIRS) - (letter in CLOSING)
    return [*parts, text[start:]]
