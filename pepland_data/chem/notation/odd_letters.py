"""Name a letter outside of ASCII: what it is, and what to write instead."""

from __future__ import annotations

import unicodedata

QUOTES, DASHES = ("Pi", "Pf"), "Pd"
"""Categories of Unicode."""
MINUS = "\N{MINUS SIGN}"


def odd_letter(text: str) -> str:
    """Return what is wrong with the first letter outside of ASCII, or ''."""
    place, letter = next(((i, c) for i, c in enumerate(text, 1) if not c.isascii()), (0, ""))
    if not letter:
        return ""
    called = f"{letter!a} ({unicodedata.name(letter, 'without a name').lower()})"
    if not letter.isprintable():
        return f"{called} is invisible: position {place}; delete it"
    if unicodedata.category(letter) in QUOTES:
        return f"{called} is a quote: position {place}; delete it"
    if plain := _plain(letter):
        return f"{called} is not {plain!r}: position {place}; write {plain!r}"
    return f"{called} stands for no atom and no residue: position {place}"


def _plain(letter: str) -> str:
    """Return the ASCII letter that a letter is a form of, or ''."""
    if letter == MINUS or unicodedata.category(letter) == DASHES:
        return "-"
    form = unicodedata.normalize("NFKC", letter)
    return form if form.isascii() else ""
