"""A SMILES text in words: atoms, bond symbols, ring numbers, brackets of branches and dots.

What may follow what is a table. It is the grammar of RDKit's reader without its oddities: no ring
number behind a branch, no empty branch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pepland_data.chem.compiled import compiled
from pepland_data.chem.smiles.atom_token import NOT_READ, Bytes, bracket_atom, organic_atom

OPEN, CLOSE, DOT, BOND, RING = -1, -2, -3, -4, -9
"""Words; an atom is its token (0 or more), a bond ``BOND - type``, a ring ``RING - number``."""
ATOM_CLASS, OPEN_CLASS, CLOSE_CLASS, DOT_CLASS, BOND_CLASS, BRANCH_BOND, RING_CLASS = range(7)
"""Classes of words. `BRANCH_BOND` is a bond symbol that stands behind a bracket of a branch."""
_ANYTHING = (ATOM_CLASS, OPEN_CLASS, CLOSE_CLASS, DOT_CLASS, BOND_CLASS, RING_CLASS)
_FOLLOWING = {
    ATOM_CLASS: _ANYTHING,
    RING_CLASS: _ANYTHING,
    OPEN_CLASS: (ATOM_CLASS, BOND_CLASS),
    CLOSE_CLASS: (ATOM_CLASS, OPEN_CLASS, CLOSE_CLASS, DOT_CLASS, BOND_CLASS),
    DOT_CLASS: (ATOM_CLASS,),
    BOND_CLASS: (ATOM_CLASS, RING_CLASS),
    BRANCH_BOND: (ATOM_CLASS,),
}
MAY_FOLLOW = np.zeros((7, 7), np.bool_)
"""[7, 7] bool, whether the second class may follow the first."""
for _class, _classes in _FOLLOWING.items():
    MAY_FOLLOW[_class, list(_classes)] = True
MAY_END = np.array([c in (ATOM_CLASS, CLOSE_CLASS, RING_CLASS) for c in range(7)])
SYMBOLS = np.zeros(256, np.int64)
"""[256] int64, word of a character that is a word by itself, else 0."""
for _symbol, _word in {"(": OPEN, ")": CLOSE, ".": DOT, "-": BOND - 1, "=": BOND - 2,
                       "#": BOND - 3, ":": BOND - 4}.items():  # fmt: skip
    SYMBOLS[ord(_symbol)] = _word
for _digit in range(10):
    SYMBOLS[ord("0") + _digit] = RING - _digit


@compiled
def split(text: Bytes, at: int, stop: int, words: npt.NDArray[np.int64]) -> int:
    """Write the words of a text; return their number, 0 for a text that is not read.

    Args:
        text: bytes, with two more behind the last text.
        at: place of the first character.
        stop: place behind the last one.
        words: int64, at least as many as characters.
    """
    count, before = 0, DOT_CLASS
    while at < stop:
        letter = text[at]
        word = SYMBOLS[letter]
        if letter == 91:  # [
            word, at = bracket_atom(text, at)
        elif 65 <= letter <= 90 or 97 <= letter <= 122:
            word, at = organic_atom(text, at)
        elif letter == 37 and 49 <= text[at + 1] <= 57 and 48 <= text[at + 2] <= 57:  # %10
            word = RING - (10 * int(text[at + 1]) + int(text[at + 2]) - 528)
            at += 3
        elif word < 0:
            at += 1
        else:
            return 0
        if word == NOT_READ or at > stop:
            return 0
        now = _class_of(word)
        if not MAY_FOLLOW[before, now]:
            return 0
        branch = before in (OPEN_CLASS, CLOSE_CLASS)
        before = BRANCH_BOND if now == BOND_CLASS and branch else now
        words[count] = word
        count += 1
    return count if MAY_END[before] else 0


@compiled
def _class_of(word: int) -> int:
    if word >= 0:
        return ATOM_CLASS
    if word <= RING:
        return RING_CLASS
    if word < DOT:
        return BOND_CLASS
    return OPEN_CLASS if word == OPEN else CLOSE_CLASS if word == CLOSE else DOT_CLASS
