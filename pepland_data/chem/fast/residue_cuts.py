"""The Amiibo rule applied to a batch: which bonds are cut, and the piece of each atom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pepland_data.chem.fast.molecule_batch import DistinctRecords, Ints, MoleculeBatch
from pepland_data.graph.columns import pointers, ragged_rows

CARBON, OXYGEN = 6, 8
SINGLE, DOUBLE = 1, 2


@dataclass(frozen=True, eq=False)
class BatchPieces:
    """The pieces of a batch: connected atoms after the Amiibo bonds are cut."""

    found: Ints
    """[B] int64, place of a cut bond in the order the cuts are found; -1 if not cut."""
    of_atom: Ints
    """[A] int64, piece of each atom; pieces are numbered in the order of their first atoms."""
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


def cut_residues(batch: MoleculeBatch, distinct: DistinctRecords) -> BatchPieces:
    """Return the pieces of the Amiibo rule; a molecule without such bonds is one piece."""
    found = amiibo_order(batch, distinct)
    of_atom = _components(batch, found)
    order = np.argsort(of_atom, kind="stable")
    ptr = pointers(np.bincount(of_atom))
    local = np.empty_like(order)
    local[order] = np.arange(len(order)) - np.repeat(ptr[:-1], np.diff(ptr))
    return BatchPieces(found, of_atom, order, ptr, local)


def amiibo_order(batch: MoleculeBatch, distinct: DistinctRecords) -> Ints:
    """Return the place of each bond among the cuts, -1 if it is not cut. [B] int64.

    This is `pepland_data.chem.cuts.amiibo_cuts` for all molecules of the batch.
    """
    number = distinct.atomic_number[batch.atom_record]
    kind = distinct.bond_type[batch.bond_record]
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
    """Return the bonds of each atom in turn, that atom, and 1 if it is the second of a pair."""
    ends = np.stack([batch.begin, batch.end], 1).ravel()
    order = np.argsort(ends, kind="stable")
    counts = np.bincount(ends, minlength=batch.atom_ptr[-1])
    rows, ptr = ragged_rows(pointers(counts), atoms)
    sizes = np.diff(ptr)
    return order[rows] >> 1, np.repeat(atoms, sizes), np.repeat(np.arange(len(atoms)) & 1, sizes)


def _carbonyl(batch: MoleculeBatch, number: Ints, kind: Ints) -> np.ndarray:
    """Return whether each atom has a double bond to an oxygen. [A] bool."""
    double = kind == DOUBLE
    marked = np.zeros(len(number), bool)
    for here, there in ((batch.begin, batch.end), (batch.end, batch.begin)):
        marked[here[double & (number[there] == OXYGEN)]] = True
    return marked


def _components(batch: MoleculeBatch, found: Ints) -> Ints:
    """Return the piece of each atom; a molecule without cuts is one piece. [A] int64."""
    whole = np.ones(len(batch.mols), bool)
    molecule = batch.atom_molecule
    whole[molecule[batch.begin[found >= 0]]] = False
    loose = np.flatnonzero(whole[molecule])
    begin = np.concatenate([batch.begin[found < 0], loose])
    end = np.concatenate([batch.end[found < 0], batch.atom_ptr[molecule[loose]]])
    shape = len(molecule), len(molecule)
    joined = coo_array((np.ones(len(begin), np.int8), (begin, end)), shape)
    number, label = connected_components(joined, directed=False)
    first = first_positions(label, number)
    return np.asarray(np.argsort(np.argsort(first))[label])


def first_positions(label: np.ndarray, number: int) -> Ints:
    """Return the first position of each label from 0 to number - 1. [number] int64."""
    first = np.zeros(number, np.int64)
    first[label[::-1]] = np.arange(len(label))[::-1]
    return first
