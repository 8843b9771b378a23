"""Which bonds of a graph are in a ring: those that are no bridge. And how small a ring is.

A bond is in a ring of any basis of cycles exactly if taking it away leaves its atoms connected
(Tarjan, A note on finding the bridges of a graph, 1974).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pepland_data.chem.compiled import compiled

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@compiled
def bonds_of_atoms(begin: Ints, end: Ints, atoms: int) -> tuple[Ints, Ints]:
    """Return the bonds of each atom in bond order: pointers [A+1] and bonds [2B], both int64."""
    ptr = np.zeros(atoms + 1, np.int64)
    for bond in range(len(begin)):
        ptr[begin[bond] + 1] += 1
        ptr[end[bond] + 1] += 1
    ptr = np.cumsum(ptr)
    place = ptr[:-1].copy()
    bonds = np.empty(2 * len(begin), np.int64)
    for bond in range(len(begin)):
        for atom in (begin[bond], end[bond]):
            bonds[place[atom]] = bond
            place[atom] += 1
    return ptr, bonds


@compiled
def ring_bonds(begin: Ints, end: Ints, ptr: Ints, bonds: Ints, inside: Flags) -> Flags:
    """Return whether each bond is in a ring of the atoms that are `inside`. [B] bool.

    Args:
        begin: [B] int64, begin atom of each bond.
        end: [B] int64, end atom.
        ptr: [A+1] int64 and
        bonds: [2B] int64, from `bonds_of_atoms`.
        inside: [A] bool.
    """
    in_ring = np.zeros(len(begin), np.bool_)
    atoms = len(ptr) - 1
    order, low = np.zeros(atoms, np.int64), np.zeros(atoms, np.int64)
    place, came_by = ptr[:-1].copy(), np.full(atoms, -1)
    path = np.empty(atoms, np.int64)
    count = 0
    for root in range(atoms):
        if order[root] or not inside[root]:
            continue
        path[0], depth = root, 1
        count += 1
        order[root] = low[root] = count
        while depth:
            atom = path[depth - 1]
            if place[atom] < ptr[atom + 1]:
                bond = bonds[place[atom]]
                place[atom] += 1
                other = begin[bond] + end[bond] - atom
                if bond == came_by[atom] or not inside[other]:
                    continue
                if order[other]:
                    low[atom] = min(low[atom], order[other])
                    in_ring[bond] = True
                else:
                    count += 1
                    order[other] = low[other] = count
                    came_by[other], path[depth] = bond, other
                    depth += 1
            else:
                depth -= 1
                if depth:
                    before = path[depth - 1]
                    low[before] = min(low[before], low[atom])
                    in_ring[came_by[atom]] = low[atom] <= order[before]
    return in_ring


@compiled
def independent_rings(begin: Ints, end: Ints, ptr: Ints, bonds: Ints, in_ring: Flags) -> Ints:
    """Return the number of independent rings in the ring system of each bond. [B] int64.

    A ring system is connected by bonds in rings; a bond that is in no ring has 0.
    """
    system = np.full(len(ptr) - 1, -1)
    waiting = np.empty(len(ptr), np.int64)
    rings = np.zeros(len(ptr), np.int64)
    for first in range(len(system)):
        if system[first] >= 0:
            continue
        system[first], waiting[0], left = first, first, 1
        atoms, ends = 0, 0
        while left:
            left -= 1
            atom = waiting[left]
            atoms += 1
            for k in range(ptr[atom], ptr[atom + 1]):
                other = begin[bonds[k]] + end[bonds[k]] - atom
                ends += in_ring[bonds[k]]
                if in_ring[bonds[k]] and system[other] < 0:
                    system[other], waiting[left] = first, other
                    left += 1
        rings[first] = ends // 2 - atoms + 1
    found: Ints = rings[system[begin]] * in_ring
    return found


@compiled
def in_small_ring(
    bond: int, size: int, begin: Ints, end: Ints, ptr: Ints, bonds: Ints, seen: Ints, queue: Ints
) -> bool:
    """Return whether a bond is in a ring of at most `size` atoms.

    Args:
        bond: the bond.
        size: number of atoms.
        begin: [B] int64, begin atom of each bond.
        end: [B] int64, end atom.
        ptr: [A+1] int64 and
        bonds: [2B] int64, from `bonds_of_atoms`.
        seen: [A] int64, scratch, 0 before the first bond.
        queue: [A] int64, scratch.
    """
    goal, queue[0], seen[begin[bond]] = end[bond], begin[bond], bond + 1
    start, stop = 0, 1
    for _ in range(size - 1):
        reached = stop
        for place in range(start, stop):
            atom = queue[place]
            for k in range(ptr[atom], ptr[atom + 1]):
                other = begin[bonds[k]] + end[bonds[k]] - atom
                if bonds[k] == bond or seen[other] == bond + 1:
                    continue
                if other == goal:
                    return True
                seen[other], queue[reached] = bond + 1, other
                reached += 1
        start, stop = stop, reached
    return False
