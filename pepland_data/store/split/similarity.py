"""Groups of nearly identical peptides: peptides that differ by one residue are in one group.

The method works on the graph of Amiibo pieces (residues and the amides between them). The order in
which a text is written does not matter, and rings and bridges need no special case. The token of a
piece is a hash of the piece and its neighbours. A key is the set of tokens without those that see
one given place. Two peptides that differ by one replaced, inserted or deleted residue share a key
and are joined. Keys that are equal by chance can only join more peptides. Groups are transitive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import BARE_AMIDE
from pepland_data.hashing import Hashes, mix, salted, text_hashes
from pepland_data.store.graph_store import GraphStore

Rows = npt.NDArray[np.int64]


def similar_groups(store: GraphStore) -> Rows:
    """Return a group per graph, the smallest row in it; near-identical graphs share one. [G]."""
    fragment = text_hashes(store.tables.fragment_smiles)
    keys, rows = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for s, start in enumerate(store.shard_ptr[:-1].tolist()):
        found, owner = graph_keys(store.shard_columns(s), fragment)
        keys.append(found)
        rows.append(owner + start)
    key, row = np.concatenate(keys), np.concatenate(rows)
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    return components(len(store), row[order][same], row[order][same + 1])


def components(count: int, a: Rows, b: Rows) -> Rows:
    """Return the smallest member of each node's connected component. [count] int64."""
    label = np.arange(count)
    while True:
        left, right = label[a], label[b]
        if np.array_equal(left, right):
            return label
        np.minimum.at(label, np.maximum(left, right), np.minimum(left, right))
        while not np.array_equal(label, label[label]):
            label = label[label]


@dataclass(frozen=True, eq=False)
class Pieces:
    """The pieces (residues and amides) of G graphs, and the bonds between them."""

    graphs: int
    """G."""
    owner: Rows
    """[N] int64, graph of each piece."""
    label: Hashes
    """[N] uint64, equal for pieces of equal fragments."""
    begin: Rows
    """[2 E] int64, pieces; each bond is there in both directions."""
    end: Rows
    """[2 E] int64, the pieces they are bound to."""


def neighbour_sum(p: Pieces, values: Hashes) -> Hashes:
    """Return for each piece the sum of its neighbours' values. [N] uint64."""
    return _sum(len(p.owner), p.begin, values[p.end])


def pieces_of(c: GraphColumns, fragment: Hashes) -> Pieces:
    """Return the pieces of graphs.

    Args:
        c: G graphs.
        fragment: [Uf] uint64, hash of each fragment.
    """
    graphs = np.repeat(np.arange(len(c)), c.sizes("fragment"))
    width = int(c.fragment_residue.max(initial=0)) + 1
    _, piece = np.unique(graphs * width + c.fragment_residue, return_inverse=True)
    count = int(piece.max(initial=-1)) + 1
    owner = np.zeros(count, np.int64)
    owner[piece] = graphs
    label = _sum(count, piece, mix(fragment[c.fragment_code]))
    shift = np.repeat(c.fragment_ptr[:-1], c.sizes("reaction"))
    begin, end = piece[c.reaction_begin + shift], piece[c.reaction_end + shift]
    between = begin != end
    a = np.concatenate([begin[between], end[between]])
    b = np.concatenate([end[between], begin[between]])
    return Pieces(len(c), owner, label, a, b)


def graph_keys(c: GraphColumns, fragment: Hashes) -> tuple[Hashes, Rows]:
    """Return the keys of all graphs and the graph of each; arguments as for `pieces_of`."""
    p = pieces_of(c, fragment)
    owner, a, b, count = p.owner, p.begin, p.end, len(p.owner)
    token = mix(p.label + neighbour_sum(p, salted(p.label, 1)))
    total = _sum(len(c), owner, salted(token, 2))
    near = _pairs(np.concatenate([a, np.arange(count)]), np.concatenate([b, np.arange(count)]))
    wide = _beyond(near, count)
    own = salted(token, 2)
    keys = [total[owner] - own]
    keys.append(total[owner] - _sum(count, near[0], own[near[1]]))
    beside = _beside_ends(p)
    keys.append((total[owner] - _sum(count, wide[0], own[wide[1]]))[beside])
    return np.concatenate([total, *keys]), np.concatenate(
        [np.arange(len(c)), owner, owner, owner[beside]]
    )


def _beside_ends(p: Pieces) -> Rows:
    """Return the pieces that are bound to an end of a chain, ordered.

    An end is a piece with one neighbour, however many bonds go there (proline's amide has two), or
    with one beside a bare amide that ends there, as the side chain of asparagine does.
    """
    a, b = _pairs(p.begin, p.end)
    tip = np.bincount(a, minlength=len(p.owner)) == 1
    onward = np.bincount(a[~tip[b]], minlength=len(p.owner))
    bare = tip & (p.label == mix(text_hashes([BARE_AMIDE]))[0])
    end = tip.copy()
    end[a[bare[b]]] |= onward[a[bare[b]]] == 1
    return np.unique(a[end[b]])


def _sum(count: int, where: Rows, values: Hashes) -> Hashes:
    total = np.zeros(count, np.uint64)
    np.add.at(total, where, values)
    return total


def _pairs(a: Rows, b: Rows) -> tuple[Rows, Rows]:
    """Return distinct pairs, ordered."""
    both = np.unique(np.stack([a, b]), axis=1)
    return both[0], both[1]


def _beyond(near: tuple[Rows, Rows], count: int) -> tuple[Rows, Rows]:
    """Return the distinct pairs two steps apart or less."""
    from pepland_data.graph.columns import ragged_rows

    a, b = near
    ptr = np.searchsorted(a, np.arange(count + 1))
    rows, ends = ragged_rows(ptr, b)
    return _pairs(np.repeat(a, np.diff(ends)), b[rows])
