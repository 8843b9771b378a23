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
    found: Ints
    """[B] int64, place of each bond in ``cuts``, -1 if it is not cut."""
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
    ends, records = (batch.begin, batch.end), (batch.atom_record, batch.bond_record)
    tables = distinct.atomic_number, distinct.bond_type
    cuts, found = amiibo_cuts(*records, *tables, *ends, batch.amides)
    pieces = connected_atoms(batch.atom_ptr, batch.bond_ptr, *ends, found)
    return BatchPieces(cuts, found, *pieces)


@compiled
def amiibo_cuts(
    atom_record: Ints,
    bond_record: Ints,
    atomic_number: Ints,
    bond_type: Ints,
    begin: Ints,
    end: Ints,
    amides: Ints,
) -> tuple[Ints, Ints]:
    """Return ``cuts`` and ``found`` of `BatchPieces`.

    This is `pepland_data.chem.cuts.amiibo_cuts` for all molecules of a batch.

    Args:
        atom_record: [A] int64, number of the atom's record.
        bond_record: [B] int64, number of the bond's record.
        atomic_number: int64, by the number of an atom record.
        bond_type: int64, by the number of a bond record.
        begin: [B] int64, begin atom.
        end: [B] int64, end atom.
        amides: [N, 2] int64, carbon and nitrogen.
    """
    # The bonds of each atom of an amide are a chain, ascending; other atoms have no chain.
    head = np.full(len(atom_record), -2, np.int64)
    for amide in range(len(amides)):
        head[amides[amide, 0]] = head[amides[amide, 1]] = -1
    chained, following = np.empty(2 * len(begin), np.int64), np.empty(2 * len(begin), np.int64)
    carbonyl = np.zeros(len(atom_record), np.bool_)
    count = 0
    for bond in range(len(begin) - 1, -1, -1):
        double = bond_type[bond_record[bond]] == DOUBLE
        for here, there in ((begin[bond], end[bond]), (end[bond], begin[bond])):
            if double and atomic_number[atom_record[there]] == OXYGEN:
                carbonyl[here] = True
            if head[here] >= -1:
                chained[count], following[count], head[here] = bond, head[here], count
                count += 1
    cuts, found = np.empty(len(begin), np.int64), np.full(len(begin), -1, np.int64)
    count = 0
    for amide in range(len(amides)):
        for side in range(2):
            atom = amides[amide, side]
            place = head[atom]
            while place >= 0:
                bond = chained[place]
                place = following[place]
                if side == 0:
                    carbon = begin[bond] + end[bond] - atom
                    allowed = bond_type[bond_record[bond]] == SINGLE
                else:
                    begins = atomic_number[atom_record[begin[bond]]] == CARBON
                    carbon = begin[bond] if begins else end[bond]
                    allowed = not carbonyl[carbon]
                if allowed and found[bond] < 0 and atomic_number[atom_record[carbon]] == CARBON:
                    cuts[count], found[bond] = bond, count
                    count += 1
    return cuts[:count].copy(), found


@compiled
def first_joined(root: Ints, atom: int) -> int:
    """Return the first of the atoms joined so far to an atom, and shorten the way to it."""
    while root[atom] != atom:
        root[atom] = root[root[atom]]
        atom = root[atom]
    return atom


@compiled
def connected_atoms(
    atom_ptr: Ints, bond_ptr: Ints, begin: Ints, end: Ints, found: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """Return ``ptr``, ``of_atom``, ``local`` and ``sizes`` of `BatchPieces`."""
    root = np.arange(atom_ptr[-1])
    of_atom, local, sizes = np.empty_like(root), np.empty_like(root), np.empty_like(root)
    ptr = np.zeros_like(atom_ptr)
    count = 0
    for m in range(len(ptr) - 1):
        whole = True
        for bond in range(bond_ptr[m], bond_ptr[m + 1]):
            if found[bond] < 0:
                i, j = first_joined(root, begin[bond]), first_joined(root, end[bond])
                root[max(i, j)] = min(i, j)
            else:
                whole = False
        if whole:
            root[atom_ptr[m] : atom_ptr[m + 1]] = atom_ptr[m]
        for atom in range(atom_ptr[m], atom_ptr[m + 1]):
            first = first_joined(root, atom)
            if first == atom:
                of_atom[atom], sizes[count] = count, 0
                count += 1
            piece = of_atom[first]
            of_atom[atom], local[atom] = piece, sizes[piece]
            sizes[piece] += 1
        ptr[m + 1] = count
    return ptr, of_atom, local, sizes[:count].copy()
