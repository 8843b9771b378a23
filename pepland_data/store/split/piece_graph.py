"""Peptides as graphs of pieces: residues, the amides between them, and the bonds between pieces.

The pieces are those of the Amiibo cut. The order of atoms in a text does not change this graph, and
rings and bridges need no special case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array

from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import BARE_AMIDE
from pepland_data.hashing import Hashes, mix, text_hashes
from pepland_data.store.graph_store import GraphStore

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PieceGraph:
    """The N pieces of G peptides."""

    graphs: int
    """G."""
    owner: Rows
    """[N] int64, graph of each piece."""
    label: Hashes
    """[N] uint64, equal for pieces with equal fragments."""
    bonds: Any
    """[N, N] scipy CSR array of uint64, symmetric: number of bonds between two pieces."""

    @property
    def neighbours(self) -> Rows:
        """How many different pieces each piece is bound to. [N] int64."""
        found: Rows = np.diff(self.bonds.indptr).astype(np.int64)
        return found

    @property
    def leaves(self) -> Rows:
        """How many pieces of each peptide have one neighbour: ends and side branches. [G] int64."""
        found: Rows = np.bincount(self.owner[self.neighbours == 1], minlength=self.graphs)
        return found


def piece_graphs(store: GraphStore) -> Iterator[tuple[int, PieceGraph]]:
    """Yield the first row and the pieces of each shard."""
    fragment = text_hashes(store.tables.fragment_smiles)
    for s, start in enumerate(store.shard_ptr[:-1].tolist()):
        yield start, piece_graph(store.shard_columns(s), fragment)


def piece_graph(c: GraphColumns, fragment: Hashes) -> PieceGraph:
    """Return the pieces of G graphs.

    Args:
        c: G graphs.
        fragment: [Uf] uint64, hash of each row of the fragment table.
    """
    graphs = np.repeat(np.arange(len(c)), c.sizes("fragment"))
    width = int(c.fragment_residue.max(initial=0)) + 1
    _, piece = np.unique(graphs * width + c.fragment_residue, return_inverse=True)
    count = int(piece.max(initial=-1)) + 1
    owner = np.zeros(count, np.int64)
    owner[piece] = graphs
    label = sums(count, piece, mix(fragment[c.fragment_code]))
    shift = np.repeat(c.fragment_ptr[:-1], c.sizes("reaction"))
    begin, end = piece[c.reaction_begin + shift], piece[c.reaction_end + shift]
    between = begin != end
    pairs = np.stack([begin[between], end[between]])
    both_ways = np.concatenate([pairs, pairs[::-1]], axis=1)
    ones = np.ones(both_ways.shape[1], np.uint64)
    bonds = coo_array((ones, tuple(both_ways)), shape=(count, count)).tocsr()
    return PieceGraph(len(c), owner, label, bonds)


def bare_amide() -> np.uint64:
    """Return the label of an amide between two residues that carries nothing else."""
    return np.uint64(mix(text_hashes([BARE_AMIDE]))[0])


def sums(count: int, group: Rows, values: Hashes) -> Hashes:
    """Return the sum of the values of each group, modulo 2^64. [count] uint64."""
    total = np.zeros(count, np.uint64)
    np.add.at(total, group, values)
    return total
