"""Which notation of chemists a text is in, that can be no SMILES; without RDKit."""

from __future__ import annotations

import re
from functools import cache

from pepland_data.chem.notation.alphabet import AMINO_ACIDS, RARE_AMINO_ACIDS
from pepland_data.chem.notation.foreign import (
    CAPS,
    CHANGED_PARENT,
    CODES,
    MOST,
    UNSURE,
    foreign_notation,
)
from pepland_data.chem.notation.written.brackets import split_at
from pepland_data.chem.notation.written.bridges import plain, without_bridges
from pepland_data.chem.notation.written.name_table import table

NOTATIONS = ("three-letter", "biln", "proforma")
OFTEN = re.compile("[ADEGKLMQRTVWYy]")
"""Letters that few SMILES have; a text without them is not looked at further."""
CARBONYL = "C(=O)"
"""What most SMILES of peptides have and no readable text of the notations; quicker to find."""
BRACKETS = re.compile(r"\[[^\[\]]*\]")
GROUPS = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]*>")
NEVER = re.compile(r"[ADEGHKLMQRTVWY]|(?<!C)l|(?<!B)r|[adefghijkmqtuvwxyz]|\d,\d")
"""What no SMILES has outside of brackets."""
NO_ATOM = frozenset("ADEGHKLMQRTVWYadefghijklmqrtuvwxyz")
"""The same letters, of a text without ``Cl`` and ``Br``."""
RING = re.compile(rf"c\[(?:[DL]-)?(?:{CODES})-")
"""A ring of codes, which is no atom in brackets."""
SEQUENCE = AMINO_ACIDS | RARE_AMINO_ACIDS
BILN_BOND = re.compile(r"\(\d+,-?\d+\)(?:[-.(]|$)")
BILN_WORD = re.compile(r"\w+(?:\([\w-]+\))?")
TAG = re.compile(
    r"^\[[^\[\]]{2,}\][-?]|-\[[^\[\]]{2,}\]$|^\{|^<|"
    r"\[(?:[UMRXG]|UNIMOD|MOD|RESID|XLMOD|GNO|Formula|Glycan|Obs|INFO):|\[[+-]\d|#|\[[A-Z][a-z]{4,}|"
    r"\[Gl[nu]->|\[(?:[\w',()]+-)*L-[a-z]{5,}[ \w]*\]|\[half cystine\]|\[2-pyrrolidone"
)
"""What stands in brackets in ProForma, and not in other notations."""
LETTERS_OF_PROFORMA = re.compile(r"[-?/+()\d]*(?:[A-Z][-?/+()\d]*){2,}")
MIXED = re.compile(r"(?=[^a-z]*[a-z])[ACDEFGHIKLMNPQRSTVWYacdefghiklmnpqrstvwy]{3,}")
NAMES = {
    "a cyclic peptide written as cyclo(...)": "three-letter",
    "a parent peptide with changed residues": "three-letter",
    "a peptide in three-letter codes": "three-letter",
    "a sequence with named ends": "three-letter",
    "a sequence with modified residues in brackets": "three-letter",
    "BILN": "biln",
    "BILN, residues joined by hyphens,": "biln",
}
"""What `foreign_notation` calls them."""


def written_notation(text: str) -> str:
    """Return ``three-letter``, ``biln`` or ``proforma``; '' for any other text, and SMILES."""
    return "" if CARBONYL in text or not OFTEN.search(text) else thorough_notation(text)


def thorough_notation(text: str) -> str:
    """Return the same as `written_notation`, also for texts with few of the letters."""
    words = text[:MOST].split()
    if not words or not (NEVER.search(BRACKETS.sub("", words[0])) or RING.search(words[0])):
        return ""
    if SEQUENCE.issuperset(text):
        return "" if AMINO_ACIDS.issuperset(text) else "three-letter"
    start = plain(text[:MOST])
    if BILN_BOND.search(start) and "-" in start:
        return "biln"
    if CHANGED_PARENT.fullmatch(start):
        return "three-letter"
    if TAG.search(start) and LETTERS_OF_PROFORMA.fullmatch(GROUPS.sub("", start)):
        return "proforma"
    start, bridges = without_bridges(start)
    found = foreign_notation(start)
    if found not in (*NAMES, "", *UNSURE):
        return ""
    if _is_mixed(start) or (bridges and AMINO_ACIDS.issuperset(start)):
        return "three-letter"
    return _joined_notation(start) or NAMES.get(found, "")


def may_be_smiles(text: str) -> bool:
    """Return whether the first word of a text may be a SMILES; True for every SMILES.

    A number of a ring stands at two atoms, so each digit is there an even number of times.
    """
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    rest = BRACKETS.sub("", word).replace("Cl", "").replace("Br", "")
    letters = any(letter.isalpha() for letter in word)
    return (
        letters and NO_ATOM.isdisjoint(rest) and all(rest.count(d) % 2 == 0 for d in "0123456789")
    )


def _is_mixed(text: str) -> bool:
    """Return whether a text is one-letter codes of which fewer than half are small letters."""
    small = sum(letter.islower() for letter in text)
    return 2 * small < len(text) and bool(MIXED.fullmatch(text))


def _joined_notation(text: str) -> str:
    """Return the notation of one-letter codes, names and caps joined by hyphens, or ''."""
    words = split_at(text, "-")
    others = [word for word in words if word not in AMINO_ACIDS]
    if others and all(map(_condensed_word().fullmatch, others)) and len(text) > 1:
        named = any(map(_condensed_name().fullmatch, others))
        letters = len(words) - len(others)
        if named and (letters < 2 or any(map(_only_condensed, others))):
            return "three-letter"
    if len(words) - len(others) < 2 or not all(map(BILN_WORD.fullmatch, words)):
        return ""
    return "three-letter" if any(map(_only_condensed, others)) else "biln"


@cache
def _condensed_name() -> re.Pattern[str]:
    """Return the pattern of a cap, or of a residue of several letters with prefix and group."""
    whole = [*table()["residues"], *table()["ambiguous"]]
    names = "|".join(re.escape(name.rpartition("-")[2]) for name in whole)
    prefix = r"(?:d|Me|\(?N-?Me\)?)"
    return re.compile(
        rf"{CAPS}|{prefix}?(?:{names})(?:\([^()]*\))?|{prefix}[A-Z]|[A-Z](?:\([^()]*\))"
    )


@cache
def _condensed_word() -> re.Pattern[str]:
    """Return the pattern of a word in condensed notation."""
    letters = r"(?:[A-Z]|\([^()]*\)|\[[^\[\]]*\]){2,}"
    return re.compile(rf"{_condensed_name().pattern}|Me|NMe|DL|[1-3]|allo|beta|gamma|β|γ|{letters}")


def _only_condensed(word: str) -> bool:
    """Return whether a word stands in condensed notation, but not in BILN."""
    known = table()["residues"].get(word, "..")
    return len(known) == 1 or re.fullmatch(CAPS, word) is not None
