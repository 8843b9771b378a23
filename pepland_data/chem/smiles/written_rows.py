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
from pepland_data.chem.smiles.atom_token import AROMATIC, ELEMENT, METAL, Bytes
from pepland_data.chem.smiles.smiles_words import BOND, CLOSE, DOT, OPEN, RING, split

Ints = npt.NDArray[np.int64]

SINGLE, DOUBLE, TRIPLE, AROMATIC_BOND = 1, 2, 3, 4
TYPE, CLOSURE = 7, 8
"""In the kind of a bond: the bits of its type, and the bit of a ring closure."""
MAX_ATOMS = 1000
"""RDKit reads longer texts: it needs seconds for them, and a time limit may end it."""
MAX_CLOSURES = 4
"""Ring closures of one atom."""
RINGS = 100
"""Numbers of ring closures: 0 to 9, and with ``%`` to 99."""


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
    token, turns = np.empty(len(text), np.int64), np.zeros(len(text), np.int64)
    begin, end = np.empty(len(text), np.int64), np.empty(len(text), np.int64)
    kind, words = np.empty(len(text), np.int64), np.empty(len(text), np.int64)
    opened, rings = np.empty((RINGS, 2), np.int64), np.empty((len(text), 4), np.int64)
    for row in range(rows):
        count = split(text, starts[row], starts[row + 1] - 1, words)
        a, b = atom_ptr[row], bond_ptr[row]
        atoms, bonds, closed = _chain(words[:count], a, b, token, begin, end, kind, opened, rings)
        if atoms:
            bonds += _close(rings[:closed], b + bonds, token, turns, begin, end, kind)
        if _has_metal(token[a : a + atoms]) and _has_metal_bond(token, begin, end, b, b + bonds):
            atoms, bonds = 0, 0
        read[row] = atoms > 0
        atom_ptr[row + 1], bond_ptr[row + 1] = a + atoms, b + bonds
    a, b = atom_ptr[rows], bond_ptr[rows]
    return read, atom_ptr, bond_ptr, token[:a], turns[:a], begin[:b], end[:b], kind[:b]


@compiled
def _chain(
    words: Ints, first: int, bond: int, token: Ints, begin: Ints, end: Ints, kind: Ints,
    opened: Ints, rings: Ints,
) -> tuple[int, int, int]:  # fmt: skip
    """Write the atoms and the bonds of the chain, and list the ring closures.

    Args:
        words: a text in words of `smiles_words`.
        first: place for its first atom.
        bond: place for its first bond.
        token: [all atoms] int64, written from `first` on.
        begin: [all bonds] int64, written from `bond` on.
        end: the same.
        kind: the same.
        opened: [RINGS, 2] int64, scratch: ring number -> end and bond type of an open closure.
        rings: written: [closures, 4] number, first end, second end, bond type. The type is
            negative if it stands at the first end. An end is `MAX_CLOSURES` times the atom and the
            place among its closures.

    Returns:
        The numbers of atoms, bonds and ring closures; zeros for a text that is not read.
    """
    stack, closures = np.empty(len(words), np.int64), np.zeros(len(words), np.int64)
    parent = np.full(len(words), -1)
    opened[:, 0] = -1
    atoms, bonds, closed, depth, open_rings = 0, 0, 0, 0, 0
    last, written = -1, 0
    for word in words:
        if word >= 0:
            here = first + atoms
            token[here] = word
            if last >= 0:
                begin[bond + bonds], end[bond + bonds] = last, here
                kind[bond + bonds] = written if written else _unwritten(token[last], word)
                parent[atoms] = last
                bonds += 1
            last, written = here, 0
            atoms += 1
        elif word == OPEN:
            stack[depth] = last
            depth += 1
        elif word == CLOSE:
            if depth == 0:
                return 0, 0, 0
            depth -= 1
            last = stack[depth]
        elif word == DOT:
            last = -1
        elif word > RING:
            written = BOND - word
        else:
            number, place = RING - word, closures[last - first]
            closures[last - first] += 1
            here = MAX_CLOSURES * last + place
            other, before = opened[number, 0], opened[number, 1]
            if place == MAX_CLOSURES:
                return 0, 0, 0
            if other < 0:
                opened[number, 0], opened[number, 1] = here, written
                open_rings += 1
            elif _cannot_close(last, other // MAX_CLOSURES, first, parent, rings[:closed]) or (
                written and before and written != before
            ):
                return 0, 0, 0
            else:
                rings[closed, 0], rings[closed, 1], rings[closed, 2] = number, other, here
                rings[closed, 3] = -before if before else written
                opened[number, 0] = -1
                open_rings -= 1
                closed += 1
            written = 0
    if depth or open_rings or atoms > MAX_ATOMS:
        return 0, 0, 0
    return atoms, bonds, closed


@compiled
def _cannot_close(one: int, other: int, first: int, parent: Ints, rings: Ints) -> bool:
    """Return whether two atoms are the same or joined already."""
    found: bool = one == other or parent[one - first] == other or parent[other - first] == one
    for ring in rings:
        ends = ring[1] // MAX_CLOSURES, ring[2] // MAX_CLOSURES
        found = found or ends == (one, other) or ends == (other, one)
    return found


@compiled
def _close(
    rings: Ints, bond: int, token: Ints, turns: Ints, begin: Ints, end: Ints, kind: Ints
) -> int:
    """Write the bonds of the ring closures of a text, ordered by number; return how many."""
    written = 0
    for number in range(RINGS):
        if written == len(rings):
            break
        for ring in rings:
            if ring[0] != number:
                continue
            first, second = ring[1] // MAX_CLOSURES, ring[2] // MAX_CLOSURES
            for atom, place in ((first, ring[1]), (second, ring[2])):
                turns[atom] = (MAX_CLOSURES + 1) * turns[atom] + place % MAX_CLOSURES + 1
            at_first = ring[3] < 0
            begin[bond + written] = first if at_first else second
            end[bond + written] = second if at_first else first
            type_written = abs(ring[3])
            if type_written == 0:
                type_written = _unwritten(token[first], token[second])
            kind[bond + written] = type_written | CLOSURE
            written += 1
    return written


@compiled
def _has_metal(token: Ints) -> bool:
    found = False
    for written in token:
        found |= METAL[written & ELEMENT]
    return found


@compiled
def _has_metal_bond(token: Ints, begin: Ints, end: Ints, first: int, stop: int) -> bool:
    found = False
    for bond in range(first, stop):
        found |= METAL[token[begin[bond]] & ELEMENT] or METAL[token[end[bond]] & ELEMENT]
    return found


@compiled
def _unwritten(one: int, other: int) -> int:
    """Return the type of a bond without a symbol."""
    return AROMATIC_BOND if one & other & AROMATIC else SINGLE
