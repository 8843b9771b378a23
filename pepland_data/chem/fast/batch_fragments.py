"""The fragments and reactions of a batch, from the fragments of its pieces."""

from __future__ import annotations

import numpy as np

from pepland_data.chem.compiled import compiled
from pepland_data.chem.fast.molecule_batch import Ints


@compiled
def number_fragments(
    atom_ptr: Ints,
    piece_ptr: Ints,
    of_atom: Ints,
    local: Ints,
    numbers: Ints,
    parts: Ints,
    part_ptr: Ints,
    codes: Ints,
    code_ptr: Ints,
) -> tuple[Ints, Ints, Ints, Ints]:
    """Number the fragments of each molecule in the order of their first atoms.

    Args:
        atom_ptr: [M+1] int64, atoms by molecule.
        piece_ptr: [M+1] int64, pieces by molecule.
        of_atom: [A] int64, piece of each atom.
        local: [A] int64, place of each atom in its piece.
        numbers: [K] int64, number of each piece in the cache.
        parts: int64, fragment of each atom of the pieces in the cache.
        part_ptr: int64, pointer by piece in the cache.
        codes: int64, code of each fragment of the pieces in the cache.
        code_ptr: int64, pointer by piece in the cache.

    Returns:
        ptr [M+1], fragment of each atom in the batch [A], code of each fragment [P], and its piece
        in the molecule [P], all int64.
    """
    first = np.zeros(len(numbers) + 1, np.int64)  # the fragments of a piece before they are sorted
    for k in range(len(numbers)):
        first[k + 1] = first[k] + code_ptr[numbers[k] + 1] - code_ptr[numbers[k]]
    rank = np.full(first[-1], -1, np.int64)
    code, piece = np.empty_like(rank), np.empty_like(rank)
    fragment, ptr = np.empty_like(of_atom), np.zeros_like(atom_ptr)
    count = 0
    for m in range(len(ptr) - 1):
        for atom in range(atom_ptr[m], atom_ptr[m + 1]):
            k = of_atom[atom]
            part = parts[part_ptr[numbers[k]] + local[atom]]
            if rank[first[k] + part] < 0:
                rank[first[k] + part] = count
                code[count] = codes[code_ptr[numbers[k]] + part]
                piece[count] = k - piece_ptr[m]
                count += 1
            fragment[atom] = rank[first[k] + part]
        ptr[m + 1] = count
    return ptr, fragment, code, piece


@compiled
def list_reactions(
    bond_ptr: Ints,
    begin: Ints,
    end: Ints,
    bond_code: Ints,
    found: Ints,
    fragment_ptr: Ints,
    fragment: Ints,
) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the reactions: the cut bonds of each molecule in the order of its bonds.

    Args:
        bond_ptr: [M+1] int64, bonds by molecule.
        begin: [B] int64, begin atom.
        end: [B] int64, end atom.
        bond_code: [B] int64, code of each bond.
        found: [C] int64, cut bonds in the order they were found.
        fragment_ptr: [M+1] int64, fragments by molecule.
        fragment: [A] int64, fragment of each atom in the batch.

    Returns:
        ptr [M+1], begin and end fragment in the molecule [C] and [C], and the code of the
        first-found bond between the same two fragments [C], all int64.
    """
    last = np.full(fragment_ptr[-1], -1, np.int64)  # first-found bonds by their smaller fragment
    following, first = np.empty_like(begin), np.full(len(begin), -1, np.int64)
    for bond in found:
        low = min(fragment[begin[bond]], fragment[end[bond]])
        high = max(fragment[begin[bond]], fragment[end[bond]])
        other = last[low]
        while other >= 0 and max(fragment[begin[other]], fragment[end[other]]) != high:
            other = following[other]
        if other < 0:
            other, following[bond], last[low] = bond, last[low], bond
        first[bond] = other
    ptr = np.zeros_like(bond_ptr)
    starts, ends, code = np.empty_like(found), np.empty_like(found), np.empty_like(found)
    count = 0
    for m in range(len(ptr) - 1):
        for bond in range(bond_ptr[m], bond_ptr[m + 1]):
            if first[bond] >= 0:
                starts[count] = fragment[begin[bond]] - fragment_ptr[m]
                ends[count] = fragment[end[bond]] - fragment_ptr[m]
                code[count] = bond_code[first[bond]]
                count += 1
        ptr[m + 1] = count
    return ptr, starts, ends, code
