"""How similar two peptides are by their fragments, and which are nearly the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from pepland_data.graph.columns import GraphColumns
from pepland_data.hashing import Hashes, text_hashes
from pepland_data.report.counting.rows import Rows, blocks
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.near_rows import NONE, KeyIndex
from pepland_data.store.split.piece_graph import piece_graph
from pepland_data.store.split.similar_groups import graph_keys

AT_ONCE = 64
"""Peptides that are compared with all others at a time, which bounds the memory."""


def nearest(store: GraphStore, rows: Rows, others: Rows) -> npt.NDArray[np.float64]:
    """Return the similarity of each row to the most similar of other rows. [N] float64, 0 to 1.

    The similarity of two peptides is the weighted Jaccard index of how often they have each
    fragment: sum of the minima / sum of the maxima. The order of the fragments does not count.

    Args:
        store: an opened store.
        rows: [N] int64, ascending.
        others: [M] int64, ascending; at least one.
    """
    names = np.unique(np.array(store.tables.fragment_smiles), return_inverse=True)[1].ravel()
    all_rows = np.concatenate([rows, others])
    order = np.argsort(all_rows, kind="stable")
    found = _unary([c for _, c in blocks(store, all_rows[order])], names)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    one, two = found[back[: len(rows)]], found[back[len(rows) :]]
    size, other_size = one.sum(axis=1), two.sum(axis=1)
    best = np.zeros(len(rows))
    turned = two.T.tocsr()
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        shared = (one[part] @ turned).toarray()
        best[part] = (shared / (size[part, None] + other_size[None] - shared)).max(axis=1)
    return best


def _unary(parts: list[GraphColumns], names: Rows) -> Any:
    """Return which fragments peptides have, the second of a kind apart from the first.

    So the product of two rows is the sum of the minima of their counts. CSR [N, ...] float32.
    """
    owner, code, start = [], [], 0
    for c in parts:
        owner.append(start + np.repeat(np.arange(len(c)), c.sizes("fragment")))
        code.append(names[c.fragment_code])
        start += len(c)
    owners, codes = np.concatenate(owner), np.concatenate(code)
    order = np.lexsort((codes, owners))
    owners, codes = owners[order], codes[order]
    new = np.ones(len(codes), bool)
    new[1:] = (owners[1:] != owners[:-1]) | (codes[1:] != codes[:-1])
    starts = np.flatnonzero(new)
    number = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    column = np.unique(codes * (number.max() + 1) + number, return_inverse=True)[1].ravel()
    return csr_array((np.ones(len(codes), np.float32), (owners, column)))


def near_duplicates(
    store: GraphStore, rows: Rows, others: Rows, source: GraphStore | None = None
) -> tuple[Rows, Rows]:
    """Return a nearly equal row for each row, and an equal one. Two [N] int64, -1 for none.

    Nearly equal are peptides that share a key of `split.similar_groups`: they differ by at most
    one residue. Equal are those with the same residues bound in the same way. Fragments have no
    stereo centres, so D and L residues are equal.

    Args:
        store: an opened store.
        rows: [N] int64, ascending.
        others: [M] int64, ascending, rows of `source`.
        source: another store; None for the same one.
    """
    source = source or store
    mine = [_keys(store, part, c) for part, c in blocks(store, rows)]
    near, same = (np.full(len(rows), NONE) for _ in range(2))
    if not mine:
        return near, same
    keys, owners, whole = (np.concatenate(parts) for parts in zip(*mine, strict=True))
    place = np.searchsorted(rows, owners)
    for part, c in blocks(source, others):
        their_keys, their_owners, their_whole = _keys(source, part, c)
        _fill(near, KeyIndex(their_keys, their_owners).first(keys, place, len(rows)))
        _fill(same, KeyIndex(their_whole, part).first(whole, np.arange(len(rows)), len(rows)))
    return near, same


def _keys(store: GraphStore, rows: Rows, c: GraphColumns) -> tuple[Hashes, Rows, Hashes]:
    """Return all keys of some graphs, the row of each key, and the key of each whole graph."""
    found, owner = graph_keys(piece_graph(c, text_hashes(store.tables.fragment_smiles)))
    return found, rows[owner], found[: len(rows)]


def _fill(found: Rows, more: Rows) -> None:
    """Write what was found now where nothing was found before."""
    found[:] = np.where(found == NONE, more, found)
