"""The pieces of written texts, and a key for each: what decides RDKit's answers about the piece.

A key is a run of words: the number of atoms; the token of each atom, for a stereo centre with the
order of its ring closures; and for each bond of the piece, the places of its atoms, its kind and
whether it is in a ring. A cut bond is listed for both pieces, with what is written beyond it: the
other atom, and the types and elements of that atom's bonds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pepland_data.chem.compiled import compiled
from pepland_data.chem.fast.piece_keys import bonds_of_pieces
from pepland_data.chem.smiles.atom_token import CHIRAL, ELEMENT
from pepland_data.chem.smiles.cuts import atom_roles, cut_bonds, unsaturated_atoms
from pepland_data.chem.smiles.rings import Flags, Ints, bonds_of_atoms, ring_bonds
from pepland_data.chem.smiles.written_rows import TYPE, WrittenRows

Words = npt.NDArray[np.int32]
OUTSIDE = 1023
"""The place of an atom beyond a cut bond."""
END, KIND, RING = 10, 20, 24
"""Places of the fields in the word of a bond; the begin atom has the lowest bits."""
ORDERED = 1 << 28
"""In the word of an atom: the next word is the order of its ring closures."""
ONE_CLOSURE = 1


@dataclass(frozen=True, eq=False)
class WrittenPieces:
    """The K pieces of R texts, numbered in the order of their first atoms."""

    row_ptr: Ints
    """[R+1] int64, the pieces of a text are those from ``row_ptr[r]`` to ``row_ptr[r+1]``."""
    atom: Ints
    """[A] int64, atoms by piece, ascending."""
    atom_ptr: Ints
    """[K+1] int64."""
    bond: Ints
    """[N] int64, bonds by piece, ascending; a cut bond is listed for both its pieces."""
    bond_ptr: Ints
    """[K+1] int64."""
    words: Words
    """[W] int32, keys."""
    word_ptr: Ints
    """[K+1] int64."""
    in_ring: Flags
    """[B] bool."""
    unsaturated_ring: Flags
    """[B] bool, whether the bond is in a ring of atoms that may be aromatic."""
    bonds_of_atoms: tuple[Ints, Ints]
    """Pointers [A+1] int64 and bonds [2B] int64, the bonds of each atom in bond order."""


def cut_into_written_pieces(rows: WrittenRows) -> WrittenPieces:
    """Cut texts into pieces and write the key of each."""
    begin, end, kind, token = rows.begin, rows.end, rows.kind, rows.token
    ptr, bonds = bonds_of_atoms(begin, end, len(token))
    in_ring = ring_bonds(begin, end, ptr, bonds, np.ones(len(token), np.bool_))
    unsaturated = unsaturated_atoms(token, kind, ptr, bonds) & _ends_of(in_ring, rows)
    unsaturated_ring = ring_bonds(begin, end, ptr, bonds, unsaturated)
    maybe_aromatic = _ends_of(unsaturated_ring, rows)
    role = atom_roles(token, begin, end, kind, ptr, bonds, maybe_aromatic)
    cut = cut_bonds(role, begin, end, kind, ptr, bonds, in_ring)
    of_atom, count = _components(cut, begin, end, ptr, bonds)
    atom_ptr, atom = _atoms_by_piece(of_atom, count)
    bond_ptr, bond = bonds_of_pieces(begin, end, of_atom, count)
    words, word_ptr = _keys(
        token, rows.turns, begin, end, kind, in_ring, ptr, bonds,
        of_atom, atom, atom_ptr, bond, bond_ptr,
    )  # fmt: skip
    row_ptr = np.append(of_atom, count)[rows.atom_ptr]
    return WrittenPieces(
        row_ptr, atom, atom_ptr, bond, bond_ptr, words, word_ptr, in_ring, unsaturated_ring,
        (ptr, bonds),
    )  # fmt: skip


def _ends_of(chosen: Flags, rows: WrittenRows) -> Flags:
    """Return whether each atom has a chosen bond. [A] bool."""
    found = np.zeros(len(rows.token), np.bool_)
    found[rows.begin[chosen]] = found[rows.end[chosen]] = True
    return found


@compiled
def _components(cut: Flags, begin: Ints, end: Ints, ptr: Ints, bonds: Ints) -> tuple[Ints, int]:
    """Return the piece of each atom, [A] int64, and the number of pieces."""
    of_atom = np.full(len(ptr) - 1, -1)
    waiting = np.empty(len(ptr), np.int64)
    count = 0
    for first in range(len(of_atom)):
        if of_atom[first] >= 0:
            continue
        of_atom[first], waiting[0], left = count, first, 1
        while left:
            left -= 1
            atom = waiting[left]
            for k in range(ptr[atom], ptr[atom + 1]):
                other = begin[bonds[k]] + end[bonds[k]] - atom
                if not cut[bonds[k]] and of_atom[other] < 0:
                    of_atom[other], waiting[left] = count, other
                    left += 1
        count += 1
    return of_atom, count


@compiled
def _atoms_by_piece(of_atom: Ints, count: int) -> tuple[Ints, Ints]:
    """Return pointers by piece, [K+1] int64, and the atoms by piece, [A] int64."""
    ptr = np.zeros(count + 1, np.int64)
    for piece in of_atom:
        ptr[piece + 1] += 1
    ptr = np.cumsum(ptr)
    place, atoms = ptr[:-1].copy(), np.empty(len(of_atom), np.int64)
    for atom in range(len(of_atom)):
        atoms[place[of_atom[atom]]] = atom
        place[of_atom[atom]] += 1
    return ptr, atoms


@compiled
def _keys(
    token: Ints, turns: Ints, begin: Ints, end: Ints, kind: Ints, in_ring: Flags, ptr: Ints,
    bonds: Ints, of_atom: Ints, atom: Ints, atom_ptr: Ints, bond: Ints, bond_ptr: Ints,
) -> tuple[Words, Ints]:  # fmt: skip
    pieces = len(atom_ptr) - 1
    words = np.empty(pieces + 2 * len(atom) + 2 * len(bond), np.int32)
    word_ptr, size = np.zeros(pieces + 1, np.int64), 0
    local = np.empty(len(token), np.int64)
    for k in range(pieces):
        words[size] = atom_ptr[k + 1] - atom_ptr[k]
        size += 1
        for i in range(atom_ptr[k], atom_ptr[k + 1]):
            written, order = token[atom[i]], turns[atom[i]]
            local[atom[i]] = i - atom_ptr[k]
            words[size] = written
            size += 1
            if written >> CHIRAL & 3 and order > ONE_CLOSURE:
                words[size - 1], words[size] = written | ORDERED, order
                size += 1
        for i in range(bond_ptr[k], bond_ptr[k + 1]):
            one, other = begin[bond[i]], end[bond[i]]
            first = local[one] if of_atom[one] == k else OUTSIDE
            second = local[other] if of_atom[other] == k else OUTSIDE
            words[size] = (
                first | second << END | kind[bond[i]] << KIND | np.int64(in_ring[bond[i]]) << RING
            )
            size += 1
            if first == OUTSIDE or second == OUTSIDE:
                beyond = one if first == OUTSIDE else other
                words[size] = _beyond(beyond, bond[i], token, begin, end, kind, ptr, bonds)
                size += 1
        word_ptr[k + 1] = size
    return words[:size].copy(), word_ptr


@compiled
def _beyond(
    atom: int, cut: int, token: Ints, begin: Ints, end: Ints, kind: Ints, ptr: Ints, bonds: Ints
) -> int:
    """Return the element of an atom, and type and element of its one or two other bonds."""
    most, least = 0, 0
    for k in range(ptr[atom], ptr[atom + 1]):
        if bonds[k] == cut:
            continue
        other = begin[bonds[k]] + end[bonds[k]] - atom
        code = (kind[bonds[k]] & TYPE) << 7 | (token[other] & ELEMENT)
        least = max(least, min(most, code))
        most = max(most, code)
    beyond: int = (token[atom] & ELEMENT) | most << 7 | least << 17
    return beyond
