"""The Amiibo rule on a batch: which bonds are cut, and which atoms stay together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pepland_data.chem.fast.molecule_batch import Ints, MoleculeBatch, States
from pepland_data.graph.columns import ragged_rows

CARBON, OXYGEN = 6, 8
SINGLE, DOUBLE = 1, 2


@dataclass(frozen=True, eq=False)
class Pieces:
    """The residues of a batch: connected atoms once the Amiibo bonds are cut."""

    found: Ints
    """[B] int64, place of a cut bond in the order the cuts are found; -1 where not cut."""
    of_atom: Ints
    """[A] int64, piece of each atom; pieces are numbered by their first atom."""
    order: Ints
    """[A] int64, atoms sorted by piece."""
    ptr: Ints
    """[K+1] int64, atoms of piece k are ``order[ptr[k]:ptr[k+1]]``."""
    local: Ints
    """[A] int64, place of each atom in its piece."""

    @property
    def first_atom(self) -> Ints:
        """[K] int64, smallest atom of each piece."""
        return self.order[self.ptr[:-1]]


def cut_residues(batch: MoleculeBatch, states: States) -> Pieces:
    """Cut by the Amiibo rule; a molecule without such a bond stays one piece."""
    found = amiibo_order(batch, states)
    of_atom = _components(batch, found)
    order = np.argsort(of_atom, kind="stable")
    ptr = np.concatenate([[0], np.cumsum(np.bincount(of_atom))]).astype(np.int64)
    local = np.empty_like(order)
    local[order] = np.arange(len(order)) - np.repeat(ptr[:-1], np.diff(ptr))
    return Pieces(found, of_atom, order, ptr, local)


def amiibo_order(batch: MoleculeBatch, states: States) -> Ints:
    """Return each bond's place among the cuts, in the order they are found. [B] int64.

    For every amide (C, N): each carbon-carbon single bond of C, then each bond of N whose carbon
    end has no double bond to an oxygen. See `pepland_data.chem.cuts.amiibo_cuts`.
    """
    number = states.number[batch.atom_state]
    kind = states.bond_type[batch.bond_state >> 1]
    bond, atom, of_nitrogen = _bonds_of(batch, batch.amides.ravel())
    other = batch.begin[bond] + batch.end[bond] - atom
    carbon_cut = (kind[bond] == SINGLE) & (number[other] == CARBON)
    begins = number[batch.begin[bond]] == CARBON
    carbon_end = np.where(begins, batch.begin[bond], batch.end[bond])
    open_end = (number[carbon_end] == CARBON) & ~_carbonyl(batch, number, kind)[carbon_end]
    cuts = bond[np.where(of_nitrogen, open_end, carbon_cut)]
    found = np.full(len(kind), -1, np.int64)
    found[cuts[::-1]] = np.arange(len(cuts))[::-1]
    return found


def _bonds_of(batch: MoleculeBatch, atoms: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the bonds of atoms in turn, the atom, and whether it came second of a pair."""
    ends = np.stack([batch.begin, batch.end], 1).ravel()
    order = np.argsort(ends, kind="stable")
    counts = np.bincount(ends, minlength=batch.atom_ptr[-1])
    rows, ptr = ragged_rows(np.concatenate([[0], np.cumsum(counts)]), atoms)
    sizes = np.diff(ptr)
    return order[rows] >> 1, np.repeat(atoms, sizes), np.repeat(np.arange(len(atoms)) & 1, sizes)


def _carbonyl(batch: MoleculeBatch, number: Ints, kind: Ints) -> np.ndarray:
    double = kind == DOUBLE
    marked = np.zeros(len(number), bool)
    for here, there in ((batch.begin, batch.end), (batch.end, batch.begin)):
        marked[here[double & (number[there] == OXYGEN)]] = True
    return marked


def _components(batch: MoleculeBatch, found: Ints) -> Ints:
    """Number the connected atoms by their first atom; uncut molecules are one. [A] int64."""
    whole = np.ones(len(batch.mols), bool)
    molecule = batch.atom_molecule
    whole[molecule[batch.begin[found >= 0]]] = False
    loose = np.flatnonzero(whole[molecule])
    begin = np.concatenate([batch.begin[found < 0], loose])
    end = np.concatenate([batch.end[found < 0], batch.atom_ptr[molecule[loose]]])
    return components(begin, end, len(molecule))


def components(begin: Ints, end: Ints, count: int) -> Ints:
    """Return the component of each node, numbered by its smallest node. [count] int64."""
    joined = coo_array((np.ones(len(begin), np.int8), (begin, end)), (count, count))
    number, label = connected_components(joined, directed=False)
    first = first_positions(label, number)
    return np.asarray(np.argsort(np.argsort(first))[label])


def first_positions(label: np.ndarray, number: int) -> Ints:
    """Return where each label from 0 to number - 1 comes first. [number] int64."""
    first = np.zeros(number, np.int64)
    first[label[::-1]] = np.arange(len(label))[::-1]
    return first
