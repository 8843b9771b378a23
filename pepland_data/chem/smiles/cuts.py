"""Where a text is cut into pieces: at amides, esters and disulfides that hold no ring system.

A cut bond is a single bond between a carbonyl carbon and a nitrogen or oxygen, or between two
sulfurs. Its atoms are written plainly and cannot be aromatic, every ring through it has more than
`SMALL_RING` atoms, and its ring system has at most `MAX_RINGS` rings. ``docs/featurizer.md`` shows
what follows from this.
"""

from __future__ import annotations

import numpy as np

from pepland_data.chem.compiled import compiled
from pepland_data.chem.smiles.atom_token import (
    AROMATIC,
    BRACKET,
    CARBON,
    CHARGE,
    ELEMENT,
    HYDROGENS,
    NO_CHARGE,
    PLAIN_CARBON,
    PLAIN_NITROGEN,
    PLAIN_OXYGEN,
    PLAIN_SULFUR,
)
from pepland_data.chem.smiles.rings import Flags, Ints, in_small_ring, independent_rings
from pepland_data.chem.smiles.written_rows import DOUBLE, SINGLE, TYPE

SMALL_RING, MAX_RINGS = 12, 12
OTHER, CARBONYL, AMINE, ETHER, SULFIDE = range(5)


@compiled
def unsaturated_atoms(token: Ints, kind: Ints, ptr: Ints, bonds: Ints) -> Flags:
    """Return whether each atom may be part of an aromatic ring. [A] bool.

    A neutral carbon with four neighbours, hydrogens included, may not.
    """
    found = np.ones(len(token), np.bool_)
    for atom in range(len(token)):
        written = token[atom]
        if written & ELEMENT != CARBON or written & AROMATIC or written >> CHARGE & 15 != NO_CHARGE:
            continue
        single = True
        for k in range(ptr[atom], ptr[atom + 1]):
            single = single and kind[bonds[k]] & TYPE == SINGLE
        degree = ptr[atom + 1] - ptr[atom]
        hydrogens = written >> HYDROGENS & 15 if written & BRACKET else 4 - degree
        found[atom] = not (single and degree + hydrogens == 4)
    return found


@compiled
def atom_roles(
    token: Ints, begin: Ints, end: Ints, kind: Ints, ptr: Ints, bonds: Ints, maybe_aromatic: Flags
) -> Ints:
    """Return what each atom can be in a cut bond, from `OTHER` to `SULFIDE`. [A] int64."""
    role = np.zeros(len(token), np.int64)
    for atom in range(len(token)):
        if maybe_aromatic[atom]:
            continue
        degree, single, carbonyls = ptr[atom + 1] - ptr[atom], 0, 0
        for k in range(ptr[atom], ptr[atom + 1]):
            bond = bonds[k]
            other = begin[bond] + end[bond] - atom
            single += kind[bond] & TYPE == SINGLE
            terminal = token[other] == PLAIN_OXYGEN and ptr[other + 1] - ptr[other] == 1
            carbonyls += terminal and kind[bond] & TYPE == DOUBLE
        written = token[atom]
        if written == PLAIN_CARBON and carbonyls == 1 and single == degree - 1 and degree <= 3:
            role[atom] = CARBONYL
        elif single == degree:
            if written == PLAIN_NITROGEN and degree <= 3:
                role[atom] = AMINE
            elif written == PLAIN_OXYGEN and degree == 2:
                role[atom] = ETHER
            elif written == PLAIN_SULFUR and degree == 2:
                role[atom] = SULFIDE
    return role


@compiled
def cut_bonds(
    role: Ints, begin: Ints, end: Ints, kind: Ints, ptr: Ints, bonds: Ints, in_ring: Flags
) -> Flags:
    """Return whether each bond is cut. [B] bool."""
    cut = np.zeros(len(begin), np.bool_)
    rings = independent_rings(begin, end, ptr, bonds, in_ring)
    seen, queue = np.zeros(len(role), np.int64), np.empty(len(role), np.int64)
    for bond in range(len(begin)):
        one, other = role[begin[bond]], role[end[bond]]
        if one > other:
            one, other = other, one
        amide = one == CARBONYL and other in (AMINE, ETHER)
        disulfide = one == SULFIDE and other == SULFIDE
        if (amide or disulfide) and kind[bond] & TYPE == SINGLE and rings[bond] <= MAX_RINGS:
            cut[bond] = not in_ring[bond] or not in_small_ring(
                bond, SMALL_RING, begin, end, ptr, bonds, seen, queue
            )
    return cut
