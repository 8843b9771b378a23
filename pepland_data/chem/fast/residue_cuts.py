"""The Amiibo rule applied to a batch: which bonds are cut, and the piece of each atom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pepland_data.chem.compiled import compiled
from pepland_data.chem.fast.molecule_batch import DistinctRecords, Ints, MoleculeBatch

CARBON, OXYGEN = 6, 8
SINGLE, DOUBLE = 1, 2


@dataclass(frozen=True, eq=False)
class BatchPieces:
    """The pieces of a batch: connected atoms after the Amiibo bonds are cut."""

    cuts: Ints
    """[C] int64, cut bonds in the order they are found."""
    ptr: Ints
    """[M+1] int64, pieces of molecule m are ``ptr[m]`` to ``ptr[m+1]``."""
    of_atom: Ints
    """[A] int64, piece of each atom; pieces are numbered in the order of their first atoms."""
    local: Ints
    """[A] int64, place of each atom in its piece."""
    sizes: Ints
    """[K] int64, number of atoms of each piece."""


def cut_residues(batch: MoleculeBatch, distinct: DistinctRecords) -> BatchPieces:
    """Return the pieces of the Amiibo rule; a molecule without such bonds is one piece."""
    number = distinct.atomic_number[batch.atom_record]
    kind = distinct.bond_type[batch.bond_record]
    cuts = amiibo_cuts(number, kind, batch.begin, batch.end, batch.amides)
    pieces = connected_atoms(batch.atom_ptr, batch.bond_ptr, batch.begin, batch.end, cuts)
    return BatchPieces(cuts, *pieces)


@compiled
def amiibo_cuts(number: Ints, kind: Ints, begin: Ints, end: Ints, amides: Ints) -> Ints:
    """Return the bonds that are cut, each once, in the order they are found.

    This is `pepland_data.chem.cuts.amiibo_cuts` for all molecules of a batch.

    Args:
        number: [A] int64, atomic number.
        kind: [B] int64, bond type.
        begin: [B] int64, begin atom.
        end: [B] int64, end atom.
        amides: [N, 2] int64, carbon and nitrogen.

    Returns:
        [C] int64.
    """
    carbonyl = np.zeros(len(number), np.bool_)
    last = np.full(len(number), -1, np.int64)  # a chain of bonds for each atom, ascending
    following = np.full(2 * len(begin), -1, np.int64)  # place 2 * bond + (0 begin, 1 end)
    for bond in range(len(begin) - 1, -1, -1):
        for place, here, there in (
            (2 * bond, begin[bond], end[bond]),
            (2 * bond + 1, end[bond], begin[bond]),
        ):
            following[place], last[here] = last[here], place
            carbonyl[here] |= kind[bond] == DOUBLE and number[there] == OXYGEN
    cuts = np.empty(len(begin), np.int64)
    is_cut = np.zeros(len(begin), np.bool_)
    count = 0
    for amide in range(len(amides)):
        for side in range(2):
            place = last[amides[amide, side]]
            while place >= 0:
                bond = place >> 1
                if side == 0:
                    other = end[bond] if place & 1 == 0 else begin[bond]
                    cut = kind[bond] == SINGLE and number[other] == CARBON
                else:
                    carbon = begin[bond] if number[begin[bond]] == CARBON else end[bond]
                    cut = number[carbon] == CARBON and not carbonyl[carbon]
                if cut and not is_cut[bond]:
                    is_cut[bond], cuts[count] = True, bond
                    count += 1
                place = following[place]
    return cuts[:count].copy()


@compiled
def first_joined(root: Ints, atom: int) -> int:
    """Return the first of the atoms joined so far to an atom, and shorten the way to it."""
    while root[atom] != atom:
        root[atom] = root[root[atom]]
        atom = root[atom]
    return atom


@compiled
def connected_atoms(
    atom_ptr: Ints, bond_ptr: Ints, begin: Ints, end: Ints, cuts: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """Return ``ptr``, ``of_atom``, ``local`` and ``sizes`` of `BatchPieces`."""
    is_cut = np.zeros(len(begin), np.bool_)
    is_cut[cuts] = True
    root = np.arange(atom_ptr[-1])
    of_atom, local, sizes = np.empty_like(root), np.empty_like(root), np.zeros_like(root)
    ptr = np.zeros_like(atom_ptr)
    count = 0
    for m in range(len(ptr) - 1):
        if is_cut[bond_ptr[m] : bond_ptr[m + 1]].any():
            for bond in range(bond_ptr[m], bond_ptr[m + 1]):
                if not is_cut[bond]:
                    i, j = first_joined(root, begin[bond]), first_joined(root, end[bond])
                    root[max(i, j)] = min(i, j)
        else:
            root[atom_ptr[m] : atom_ptr[m + 1]] = atom_ptr[m]
        for atom in range(atom_ptr[m], atom_ptr[m + 1]):
            i = first_joined(root, atom)
            if i == atom:
                of_atom[atom] = count
                count += 1
            piece = of_atom[i]
            of_atom[atom], local[atom] = piece, sizes[piece]
            sizes[piece] += 1
        ptr[m + 1] = count
    return ptr, of_atom, local, sizes[:count].copy()
