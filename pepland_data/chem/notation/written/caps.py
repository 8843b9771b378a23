"""Caps at the ends of a chain, of one word or several: ``Ac``, ``5-FAM``, ``NH-CH3``."""

from __future__ import annotations

from collections.abc import Sequence

from pepland_data.chem.notation.alphabet import AMINO_ACIDS, RARE_AMINO_ACIDS
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.structure import UnreadableError

MOST_WORDS = 2
LIKE_LETTERS = frozenset({"ACC", "DOTA", "EDANS", "MCA", "NHOH"})
"""Caps that may be residues of one letter; among codes of three letters they are caps."""
PLACES = frozenset("1234")
"""Words that are places in a ring."""
LETTERS = frozenset({"ACC", "DOTA", "EDANS", "MCA", "NHOH"})
"""Caps that may be residues of one letter; among codes of three letters they are caps."""
PREFIXES = frozenset("DLN1234omp")
PLACES = frozenset("1234omp")
"""Words before a code: forms of a residue, and places in its ring."""
LETTERS = AMINO_ACIDS | RARE_AMINO_ACIDS


def leading_cap(words: Sequence[str]) -> int:
    """Return the number of words of the cap before a chain, 0 if there is none.

    Raises:
        UnreadableError: the cap has several structures.
    """
    for count in range(min(MOST_WORDS, len(words)), 0, -1):
        name = "-".join(words[:count])
        if (
            len(name) > 1
            and LETTERS.issuperset(name)
            and "-".join(words[count:]) in table()["c_caps"]
        ):
            continue  # FAM-NH2 is Phe-Ala-Met
        if name in table()["n_caps"]:
            return count
        if name in table()["ambiguous_caps"]:
            raise UnreadableError(f"{name!r} is ambiguous: {table()['ambiguous_caps'][name]}")
    return 0


def trailing_cap(words: Sequence[str]) -> int:
    """Return the number of words of the cap behind a chain, 0 if there is none."""
    for count in range(min(MOST_WORDS, len(words) - 1), 0, -1):
        if "-".join(words[-count:]) in table()["c_caps"]:
            return count
    return 0


def check_no_letters(words: Sequence[str], caps: Sequence[str]) -> None:
    """Refuse caps that may be residues too, where other words are residues of one letter.

    Args:
        words: the words between the caps.
        caps: the names of both caps.
    """
    for cap in LIKE_LETTERS.intersection(caps):
        if has_letters(words) or any(len(w) > 1 and LETTERS.issuperset(w) for w in words):
            raise UnreadableError(f"{cap!r} is a cap or {len(cap)} residues; write HELM")


def has_letters(words: Sequence[str]) -> bool:
    """Return whether a word is a residue of one letter; D, L, N, places before a code are not."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return any(
        len(word) == 1 and word.isascii() and not _is_prefix(word, follows)
        for word, follows in pairs
    )


def _is_prefix(word: str, follows: str) -> bool:
    if word in "omp":
        return len(follows) > 1 and follows in table()["ring_groups"]
    return word in "DLN1234" and (len(follows) > 1 or follows in PLACES)
