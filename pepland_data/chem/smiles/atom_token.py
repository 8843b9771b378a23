"""An atom as it is written in a SMILES, as one number.

The number holds what the text says and nothing that RDKit adds: element, lower case, brackets,
charge, hydrogens, chirality mark and isotope. Equal numbers are equal texts up to spelling.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pepland_data.chem.compiled import compiled

Bytes = npt.NDArray[np.uint8]

ELEMENT, AROMATIC, BRACKET = 127, 1 << 7, 1 << 8
CHARGE, HYDROGENS, CHIRAL, ISOTOPE = 9, 13, 17, 19
"""Places of the other fields: 4 bits with 8 for no charge, 4 bits, 2 bits, 9 bits."""
NO_CHARGE = 8
NOT_READ = -(1 << 40)
"""Instead of a number: the text is none that this reader knows."""
CARBON, NITROGEN, OXYGEN, SULFUR = 6, 7, 8, 16
PLAIN_CARBON = CARBON | NO_CHARGE << CHARGE
PLAIN_NITROGEN = NITROGEN | NO_CHARGE << CHARGE
PLAIN_OXYGEN = OXYGEN | NO_CHARGE << CHARGE
PLAIN_SULFUR = SULFUR | NO_CHARGE << CHARGE

ORGANIC = {"B": 5, "C": 6, "N": 7, "O": 8, "F": 9, "P": 15, "S": 16, "I": 53}
AROMATIC_ORGANIC = {"b": 5, "c": 6, "n": 7, "o": 8, "p": 15, "s": 16}
TWO_LETTERS = {"Cl": 17, "Br": 35, "Si": 14, "Se": 34, "se": 34,
               "Li": 3, "Na": 11, "Mg": 12, "Ca": 20, "Zn": 30}  # fmt: skip
METAL = np.zeros(128, np.bool_)
"""[128] bool, elements that are read without bonds only: RDKit changes the bonds of metals."""
METAL[[3, 11, 12, 19, 20, 30]] = True


def _one_letter(letters: dict[str, int], aromatic: int = 0) -> npt.NDArray[np.int64]:
    table = np.zeros(128, np.int64)
    for letter, number in letters.items():
        table[ord(letter)] = number | aromatic
    return table


ORGANIC_TABLE = _one_letter(ORGANIC) + _one_letter(AROMATIC_ORGANIC, AROMATIC)
"""[128] int64, element of a letter outside brackets, with `AROMATIC` for a small one; else 0."""
BRACKET_TABLE = ORGANIC_TABLE + _one_letter({"K": 19})
PAIR_TABLE = np.zeros((128, 128), np.int64)
"""[128, 128] int64, element of two letters, else 0."""
for _pair, _number in TWO_LETTERS.items():
    PAIR_TABLE[ord(_pair[0]), ord(_pair[1])] = _number | (AROMATIC if _pair.islower() else 0)


@compiled
def organic_atom(text: Bytes, at: int) -> tuple[int, int]:
    """Return the number of the atom outside brackets at a place, and the place behind it."""
    first = text[at]
    following = text[at + 1]
    element = int(ORGANIC_TABLE[first])
    if element == 0:
        return NOT_READ, at
    width = 1
    if (first == 67 and following == 108) or (first == 66 and following == 114):  # Cl, Br
        element, width = int(PAIR_TABLE[first, following]), 2
    return element | NO_CHARGE << CHARGE, at + width


@compiled
def bracket_atom(text: Bytes, at: int) -> tuple[int, int]:
    """Return the number of the atom in brackets that open at a place, and the place behind it.

    Read are isotope, element, ``@`` or ``@@``, hydrogens and charge; atom maps and everything
    else are not.
    """
    at += 1
    isotope, at = _digits(text, at, 0)
    if isotope > 511 or text[at] >= 128 or text[at + 1] >= 128:
        return NOT_READ, at
    element = int(PAIR_TABLE[text[at], text[at + 1]])
    at += 2
    if element == 0:
        at -= 1
        element = int(BRACKET_TABLE[text[at - 1]])
    if element == 0:
        return NOT_READ, at
    chiral = 0
    while text[at] == 64 and chiral < 2:  # @
        chiral, at = chiral + 1, at + 1
    hydrogens = 0
    if text[at] == 72:  # H
        hydrogens, at = _digits(text, at + 1, 1)
    charge, at = _charge(text, at)
    if text[at] != 93 or hydrogens > 15 or charge < -NO_CHARGE or charge >= NO_CHARGE:  # ]
        return NOT_READ, at
    fields = (charge + NO_CHARGE) << CHARGE | hydrogens << HYDROGENS
    return element | BRACKET | fields | chiral << CHIRAL | isotope << ISOTOPE, at + 1


@compiled
def _digits(text: Bytes, at: int, otherwise: int) -> tuple[int, int]:
    """Return the number at a place, at most four digits, and the place behind it."""
    value, start = 0, at
    while 48 <= text[at] <= 57 and at < start + 4:
        value, at = 10 * value + text[at] - 48, at + 1
    return (value if at > start else otherwise), at


@compiled
def _charge(text: Bytes, at: int) -> tuple[int, int]:
    """Return the charge at a place (0 if there is none), and the place behind it."""
    sign = text[at]
    if sign != 43 and sign != 45:  # + -
        return 0, at
    at += 1
    if text[at] == sign:
        size, at = 2, at + 1
    else:
        size, at = _digits(text, at, 1)
    return (size if sign == 43 else -size), at
