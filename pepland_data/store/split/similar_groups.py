"""Groups of nearly identical peptides: two peptides that differ by one residue are in one group.

Each piece of a peptide gets a token, a hash of the piece and its neighbours (see `piece_graph`). A
key is the sum of the tokens of a peptide without those that depend on one place. If one residue is
replaced, inserted or deleted, the two peptides still share the key that leaves out that place, and
peptides with a common key are joined. Keys that are equal by chance, and peptides that differ
twice near one end, can only make groups larger. Groups are closed under chains: if A is similar to
B and B to C, all three are in one group.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array, identity
from scipy.sparse.csgraph import connected_components

from pepland_data.hashing import Hashes, mix, salted
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.piece_graph import PieceGraph, Rows, bare_amide, piece_graphs, sums


def similar_groups(store: GraphStore) -> Rows:
    """Return the group of each graph, named by the smallest row in it. [G] int64."""
    keys, rows = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for start, pieces in piece_graphs(store):
        found, owner = graph_keys(pieces)
        keys.append(found)
        rows.append(owner + start)
    key, row = np.concatenate(keys), np.concatenate(rows)
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    return joined_groups(len(store), row[order][same], row[order][same + 1])


def joined_groups(count: int, a: Rows, b: Rows) -> Rows:
    """Return the smallest row of the group of each row, where a[i] and b[i] share a group. [count].

    Args:
        count: number of rows.
        a: [P] int64, rows.
        b: [P] int64, rows.
    """
    pairs = coo_array((np.ones(len(a), bool), (a, b)), shape=(count, count))
    component: Rows = connected_components(pairs, directed=False)[1]
    return np.unique(component, return_index=True)[1][component]


def graph_keys(p: PieceGraph) -> tuple[Hashes, Rows]:
    """Return the keys of all graphs, and the graph of each key.

    The keys of a graph leave out nothing, each piece, each piece with its neighbours, and each
    piece beside an end of a chain with all pieces two bonds away or nearer. The first G keys leave
    out nothing, one for each graph in order.
    """
    token = salted(mix(p.label + p.bonds @ salted(p.label, 1)), 2)
    total = sums(p.graphs, p.owner, token)
    near = _pattern(p.bonds + identity(len(p.owner), np.uint64, "csr"))
    wide = _pattern(near @ near)
    whole, beside = total[p.owner], _beside_ends(p)
    keys = [total, whole - token, whole - near @ token, (whole - wide @ token)[beside]]
    owners = [np.arange(p.graphs), p.owner, p.owner, p.owner[beside]]
    return np.concatenate(keys), np.concatenate(owners)


def _beside_ends(p: PieceGraph) -> Rows:
    """Return the pieces that are bound to an end of a chain, ascending.

    An end is a piece with one neighbour, however many bonds join the two (proline's amide has two).
    A piece is an end too if it has one neighbour besides a bare amide that ends there, as the side
    chain of asparagine has.
    """
    links = _pattern(p.bonds)
    tip = p.neighbours == 1
    bare = tip & (p.label == bare_amide())
    end = tip | ((links @ bare > 0) & (links @ ~tip == 1))
    return np.flatnonzero(links @ end)


def _pattern(matrix: Any) -> Any:
    """Return a sparse matrix with 1 wherever the given one has a value."""
    ones = matrix.copy()
    ones.data[:] = 1
    return ones
