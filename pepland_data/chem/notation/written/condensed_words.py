"""A word of a condensed text becomes residues: three-letter codes or one-letter codes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

from pepland_data.chem.notation.alphabet import AMINO_ACIDS
from pepland_data.chem.notation.written.brackets import end_of_group
from pepland_data.chem.notation.written.groups import ring_leaders
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.names import (
    METHYL,
    PREFIXES,
    Names,
    letter_monomers,
)
from pepland_data.chem.notation.written.structure import Residue, UnreadableError

MOST_WORDS = 4
"""Words of one residue: ``N-Me-D-Phe``."""
CODES = re.compile(r"[A-Z][a-z]{2}")
NUMBERED = re.compile(r"(.{2,}[^\d])([1-9]\d{0,3})")
"""A residue and its place in a parent peptide."""
SMALL = frozenset(letter.lower() for letter in AMINO_ACIDS)
OTHER_NAMES = re.compile("^fM|^p[EQ]|p[STY]|d[A-Z]")
"""Formylmethionine, pyroglutamate, phosphates, and D residues with a prefix."""
OTHER_ACIDS = ("γGlu", "γ-Glu", "gGlu", "gamma-Glu", "βAsp", "β-Asp", "beta-Asp", "isoAsp", "AEEA")
"""Residues that are often bonded to a side chain."""
OPTION = "--lowercase d-amino reads small letters as D residues"


def residues_of(
    words: Sequence[str], names: Names, d_letters: bool, first: int = 0
) -> list[Residue]:
    """Return the residues of words that hyphens or blanks separate.

    Args:
        words: the words, without caps.
        names: the names of the library in use.
        d_letters: whether a small letter is a D residue.
        first: the number of words before them, for the messages.

    Raises:
        UnreadableError: a word is unknown or means two things.
    """
    words, found, place = _capitalised(words), list[Residue](), 0
    while place < len(words):
        try:
            count, residues = _next(words, place, names, d_letters)
        except UnreadableError as error:
            raise UnreadableError(
                f"word {first + place + 1}, {words[place][:40]!r}: {error}"
            ) from None
        found += residues
        place += count
    return found


def _capitalised(words: Sequence[str]) -> Sequence[str]:
    """Return ``ALA-GLY`` as ``Ala-Gly``; refuse such a code among words that are none."""
    codes = [word.capitalize() for word in words if len(word) == 3 and word.isupper()]
    codes = [code for code in codes if code in table()["residues"]]
    if codes and (len(codes) < len(words) or len(words) == 1):
        raise UnreadableError(
            f"{codes[0].upper()} is {codes[0]} or three residues; write {codes[0]}, or HELM"
        )
    return codes or words


def _next(
    words: Sequence[str], place: int, names: Names, d_letters: bool
) -> tuple[int, list[Residue]]:
    """Return the residues at a place, and how many words they take."""
    if words[place] == "DL":
        raise UnreadableError("it stands for two stereoisomers")
    most = MOST_WORDS if words[place] in _leaders() else 1
    for count in range(min(most, len(words) - place), 0, -1):
        joined = "-".join(words[place : place + count])
        if d_letters and re.fullmatch("d[A-Z]", joined):
            raise UnreadableError("it is a D residue or, with small letters as D residues, two")
        if residue := names.residue(joined) or _numbered(joined, names):
            return count, [residue]
    word, after = words[place], words[place + 1 : place + 2]
    single = {other for other in words if len(other) == 1}
    if word in "RS" and after and CODES.match(after[0]) and single <= {"R", "S"}:
        raise UnreadableError(f"{word}-{after[0]} is a residue behind {word}, or one ({word}) form")
    if word in ("D", "L") and after and len(after[0]) == 1:
        name = {"D": "Asp", "L": "Leu"}[word]
        raise UnreadableError(f"{word}-{after[0]} is {name} and a residue, or one {word} residue")
    if re.fullmatch(rf"(?:{CODES.pattern})+", word):
        return 1, [_code(code, names) for code in CODES.findall(word)]
    return 1, list(_letters(word, names, d_letters))


def _numbered(word: str, names: Names) -> Residue | None:
    """Return the residue of ``Asp5`` with its number, None if it is none."""
    found = NUMBERED.fullmatch(word)
    residue = names.residue(found[1]) if found else None
    return replace(residue, number=int(found[2])) if found and residue else None


@cache
def _leaders() -> frozenset[str]:
    """Return the words that may be the first of several that name one residue."""
    names = [name for name in (*table()["residues"], *PREFIXES) if "-" in name]
    return frozenset(name.partition("-")[0] for name in names) | ring_leaders()


def _code(code: str, names: Names) -> Residue:
    residue = names.residue(code)
    if residue is None:
        raise UnreadableError(f"residue {code!r} is unknown")
    return residue


def _letters(word: str, names: Names, d_letters: bool) -> Iterator[Residue]:
    """Yield the residues of one-letter codes and brackets."""
    if word.islower() and word.capitalize() in table()["residues"]:
        raise UnreadableError(f"it is {word.capitalize()} or several D residues; write one of them")
    if d_letters:
        _check_small_letters(word)
    before: Residue | None = None
    place, methyl = 0, False
    while place < len(word):
        letter, start = word[place], place
        place = end_of_group(word, place) + 1 if letter in "([" else place + 1
        inside = word[start + 1 : place - 1]
        if letter in "([" and inside in METHYL:
            methyl = True
            continue
        grouped = letter in "([" and before and not methyl
        if grouped and before and (modified := _with_group(before, inside, names)):
            before = modified
            continue
        if before:
            yield before
        before = _one(letter, inside, start, names, d_letters)
        before = names.variant(before, "N") if methyl else before
        methyl = False
    if methyl:
        raise UnreadableError("no residue follows 'NMe'")
    if before:
        yield before


def _with_group(residue: Residue, inside: str, names: Names) -> Residue | None:
    """Return a residue with the group in brackets behind it, None if this is a residue or unknown.

    Raises:
        UnreadableError: it may be both.
    """
    if found := names.modified(residue, inside):
        return found
    if len(inside) < 2 or not names.has_amine(residue):
        return None
    if names.residue(inside, in_brackets=True) is None:
        return names.branched(residue, inside)
    if inside in OTHER_ACIDS:
        raise UnreadableError(
            f"{inside!r} may be a residue or a group of the one before; write HELM"
        )
    return None


def _check_small_letters(word: str) -> None:
    """Refuse small letters as D residues where they may be a part of another name."""
    outside = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", ".", word)
    codes = [code for code in CODES.findall(outside) if code in table()["residues"]]
    if found := codes or OTHER_NAMES.findall(outside):
        raise UnreadableError(
            f"{found[0]!r} in it may be one residue or several; put D residues in brackets, as [dA]"
        )


def _one(letter: str, inside: str, start: int, names: Names, d_letters: bool) -> Residue:
    """Return the residue of a letter, or of what is inside of brackets."""
    where = f"at character {start + 1}"
    if letter in "([":
        residue = names.residue(inside, in_brackets=True) if len(inside) > 1 else None
        if residue is None:
            said = f"{inside[:40]!r} {where}" if inside else f"the empty brackets {where}"
            raise UnreadableError(f"{said} is neither a residue nor a group of the one before")
        return residue
    if letter in SMALL and not d_letters:
        other = "a phosphate (pS)" if letter == "p" else "a mistake"
        raise UnreadableError(
            f"small letter {letter!r} {where} may be a D residue or {other}; {OPTION}"
        )
    if letter in SMALL:
        return names.variant(names.letter(letter.upper()), "D")
    if not letter.isupper() or letter not in letter_monomers():
        try:
            return names.letter(letter)
        except UnreadableError as error:
            raise UnreadableError(f"{error} ({where})") from None
    return names.letter(letter)
