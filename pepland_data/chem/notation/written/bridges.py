"""Bonds of side chains named behind a sequence: ``(1-6)``, ``(lactam bridge: Asp4-Lys9)``."""

from __future__ import annotations

import re
from typing import NamedTuple

END = r"(?:D-)?(?:[A-Z][a-z]{2}|[A-Z])?\d{1,4}"
PAIR = rf"{END}(?:-|&| and ){END}"
PAIRS = rf"{PAIR}(?:(?:[,;] ?| and )(?:between )?{PAIR})*"
WORDS = r"(?i:(?:disul(?:f|ph)ide|lactam)(?: bridges?| bonds?)?)"
BRIDGES = re.compile(
    rf"(?:[ ,;]+(?i:cyclic ?|cyclo ?)?|(?=\())"
    rf"\((?:{WORDS}:? ?(?:between )?)?(?P<pairs>{PAIRS})(?: {WORDS})?\)(?:[- ]{WORDS})?$"
    rf"| (?P<bare>{PAIRS}) {WORDS}$"
    rf"| ?\((?P<alone>{WORDS})\)$"
)
ENDS = re.compile(r"(?:D-)?([A-Za-z]*)(\d+)(?:-|&| and )(?:D-)?([A-Za-z]*)(\d+)")
LAST = (")", "e", "m", "E", "M", "s", "S", "d", "D")
"""The last letters of a text with such a bond."""
LONGEST = 200
"""Characters at the end in which bonds are looked for."""
SIGNS: dict[int, int | str] = {
    **str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "0123456789" * 2),
    **dict.fromkeys(map(ord, "‐‑–−→"), "-"),
    **dict.fromkeys(map(ord, "′’"), "'"),
}
"""Signs that mean another one: hyphens and arrows, small digits, primes."""


class Bridge(NamedTuple):
    """A bond between the side chains of two residues, as a text numbers them."""

    one: int
    two: int
    kind: str
    """``disulfide``, ``lactam``, ``ring``, or '' for two numbers alone, which may be another thing.
    """
    names: tuple[str, str] = ("", "")
    """Names of the residues, '' without one."""


def plain(text: str) -> str:
    """Return a text with one kind of hyphen, of digits and of primes, and single blanks."""
    return " ".join(text.translate(SIGNS).split())


def without_bridges(text: str) -> tuple[str, list[Bridge]]:
    """Return a text without the bonds named at its end, and these.

    A disulfide without places has the places 0.
    """
    if not text.endswith(LAST):
        return text, []
    found = BRIDGES.search(text, max(1, len(text) - LONGEST))
    if not found:
        return text, []
    kind = _kind(found[0].lower())
    pairs = ENDS.findall(found["pairs"] or found["bare"] or "")
    bridges = [Bridge(int(i), int(j), kind, (one, two)) for one, i, two, j in pairs]
    return text[: found.start()].rstrip(" ,;"), bridges or [Bridge(0, 0, kind)]


def _kind(words: str) -> str:
    """Return the kind of a bond that words name."""
    if "disul" in words:
        return "disulfide"
    return "lactam" if "lactam" in words else "ring" if "cycl" in words else ""
