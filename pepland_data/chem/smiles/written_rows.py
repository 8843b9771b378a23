r"""SMILES texts as written: their atoms and bonds in the order in which RDKit numbers them.

RDKit numbers atoms in the order of the text. The bonds of the chain come first, each with its
second atom; the bonds of ring closures follow, by digit and then by place. A ring bond begins at
the closing atom, or at the opening one if the bond symbol stands there.

A text is read as it stands or not at all: whatever is unusual (``/``, ``\``, ``*``, ``[H]``, atom
maps, a ring digit behind a branch, white space) or wrong makes it `unread`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pepland_data.chem.compiled import compiled
from pepland_data.chem.smiles.atom_token import (
    AROMATIC,
    NOT_READ,
    Bytes,
    bracket_atom,
    organic_atom,
)

Ints = npt.NDArray[np.int64]

SINGLE, DOUBLE, TRIPLE, AROMATIC_BOND = 1, 2, 3, 4
TYPE, CLOSURE = 7, 8
"""In the kind of a bond: the bits of its type, and the bit of a ring closure."""
MAX_ATOMS = 1000
"""RDKit reads longer texts: it needs seconds for them, and a time limit may end it."""
MAX_CLOSURES = 4
"""Ring closures of one atom."""
RING_NUMBERS = 100
FREE, ATOM, BRANCH, BOND, BRANCH_BOND = range(5)
"""What must follow: nothing certain; an atom; an atom or a bond; an atom or a ring; an atom."""


@dataclass(frozen=True, eq=False)
class WrittenRows:
    """R texts; one that is not read has no atoms."""

    read: npt.NDArray[np.bool_]
    """[R] bool."""
    atom_ptr: Ints
    """[R+1] int64."""
    bond_ptr: Ints
    """[R+1] int64."""
    token: Ints
    """[A] int64, see `atom_token`."""
    turns: Ints
    """[A] int64, the order of the ring closures of an atom, 0 for an atom with none."""
    begin: Ints
    """[B] int64, begin atom in the whole batch."""
    end: Ints
    """[B] int64."""
    kind: Ints
    """[B] int64, type of the bond as written, and `CLOSURE`."""


def read_rows(texts: Sequence[str]) -> WrittenRows:
    """Read texts, which must be ASCII; see the file's first lines for what is not read."""
    text = np.frombuffer(("\n".join(texts) + "\n\0\0").encode("ascii"), np.uint8)
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    starts = np.concatenate([[0], np.cumsum(sizes + 1)]).astype(np.int64)
    return WrittenRows(*_read_all(text, starts))


@compiled
def _read_all(
    text: Bytes, starts: Ints
) -> tuple[npt.NDArray[np.bool_], Ints, Ints, Ints, Ints, Ints, Ints, Ints]:
    rows = len(starts) - 1
    read = np.zeros(rows, np.bool_)
    atom_ptr, bond_ptr = np.zeros(rows + 1, np.int64), np.zeros(rows + 1, np.int64)
    token, turns = np.empty(len(text), np.int64), np.empty(len(text), np.int64)
    ends = np.empty((3, len(text)), np.int64)
    scratch = np.empty((8, RING_NUMBERS + MAX_ATOMS), np.int64)
    for row in range(rows):
        first, bond = atom_ptr[row], bond_ptr[row]
        atoms, bonds = _read_one(
            text, starts[row], starts[row + 1] - 1, first, bond, token, turns, ends, scratch
        )
        read[row] = atoms > 0
        atom_ptr[row + 1], bond_ptr[row + 1] = first + atoms, bond + bonds
    a, b = atom_ptr[rows], bond_ptr[rows]
    begin, end, kind = ends[0, :b].copy(), ends[1, :b].copy(), ends[2, :b].copy()
    return read, atom_ptr, bond_ptr, token[:a].copy(), turns[:a].copy(), begin, end, kind


@compiled
def _read_one(
    text: Bytes, at: int, stop: int, first: int, bond: int,
    token: Ints, turns: Ints, ends: Ints, scratch: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Write atoms and bonds of one text; return their numbers, (0, 0) for a text not read."""
    stack, digit, opening, closing, specified, slots, open_atom, open_kind = scratch
    open_atom[:RING_NUMBERS] = -1
    slot = slots[RING_NUMBERS:]
    atoms, bonds, rings, depth = 0, 0, 0, 0
    last, pending, need, behind_branch = -1, 0, ATOM, False
    while at < stop:
        letter = text[at]
        if letter == 91 or 65 <= letter <= 90 or 97 <= letter <= 122:  # [ or a letter
            if atoms == MAX_ATOMS:
                return 0, 0
            atom, at = bracket_atom(text, at) if letter == 91 else organic_atom(text, at)
            if atom == NOT_READ or at > stop:
                return 0, 0
            here = first + atoms
            token[here], turns[here], slot[atoms] = atom, 0, 0
            if last >= 0:
                kind = pending if pending else _unwritten(token[last], atom)
                ends[0, bond + bonds], ends[1, bond + bonds] = last, here
                ends[2, bond + bonds] = kind
                bonds += 1
            last, pending, need, behind_branch = here, 0, FREE, False
            atoms += 1
            continue
        if letter == 40:  # (
            if need != FREE:
                return 0, 0
            stack[depth] = last
            depth, need = depth + 1, BRANCH
        elif letter == 41:  # )
            if need != FREE or depth == 0:
                return 0, 0
            depth -= 1
            last, behind_branch = stack[depth], True
        elif letter == 46:  # .
            if need != FREE:
                return 0, 0
            last, need = -1, ATOM
        elif letter == 45 or letter == 61 or letter == 35 or letter == 58:  # - = # :
            if need != FREE and need != BRANCH:
                return 0, 0
            need = BOND if need == FREE else BRANCH_BOND
            if letter == 45:
                pending = SINGLE
            elif letter == 61:
                pending = DOUBLE
            else:
                pending = TRIPLE if letter == 35 else AROMATIC_BOND
        else:
            if (need != FREE and need != BOND) or behind_branch or last < 0:
                return 0, 0
            if 48 <= letter <= 57:
                number = int(letter) - 48
            elif letter == 37 and 49 <= text[at + 1] <= 57 and 48 <= text[at + 2] <= 57:  # %
                number = 10 * int(text[at + 1]) + int(text[at + 2]) - 528
                at += 2
            else:
                return 0, 0
            place = slot[last - first]
            if place == MAX_CLOSURES:
                return 0, 0
            slot[last - first] = place + 1
            other = open_atom[number]
            if other < 0:
                open_atom[number], open_kind[number], slots[number] = last, pending, place
            else:
                if other == last or (pending and open_kind[number] not in (0, pending)):
                    return 0, 0
                opens = open_kind[number]
                digit[rings] = number
                opening[rings], closing[rings] = (MAX_CLOSURES * other + slots[number],
                                                  MAX_CLOSURES * last + place)  # fmt: skip
                specified[rings] = -opens if opens else pending
                open_atom[number] = -1
                rings += 1
            pending, need = 0, FREE
        at += 1
    if need != FREE or depth or np.any(open_atom[:RING_NUMBERS] >= 0):
        return 0, 0
    for number in range(RING_NUMBERS):
        if rings == 0:
            break
        for ring in range(rings):
            if digit[ring] != number:
                continue
            one, other = opening[ring] // MAX_CLOSURES, closing[ring] // MAX_CLOSURES
            kind = abs(specified[ring])
            if kind == 0:
                kind = _unwritten(token[one], token[other])
            turns[one] = (MAX_CLOSURES + 1) * turns[one] + opening[ring] % MAX_CLOSURES + 1
            turns[other] = (MAX_CLOSURES + 1) * turns[other] + closing[ring] % MAX_CLOSURES + 1
            from_opening = specified[ring] < 0
            ends[0, bond + bonds] = one if from_opening else other
            ends[1, bond + bonds] = other if from_opening else one
            ends[2, bond + bonds] = kind | CLOSURE
            bonds += 1
    return atoms, bonds


@compiled
def _unwritten(one: int, other: int) -> int:
    """Return the type of a bond without a symbol."""
    return AROMATIC_BOND if one & other & AROMATIC else SINGLE
