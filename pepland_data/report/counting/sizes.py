"""How often each size occurs; which peptides have rings of residues and disulfides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import BARE_AMIDE, FeatureTables
from pepland_data.report.counting.rows import Rows, blocks
from pepland_data.store.graph_store import GraphStore

SULPHUR = 16
"""Atomic number."""


def tally(values: npt.ArrayLike) -> dict[str, Any]:
    """Return mean and percentiles of whole numbers, and how often each number occurs.

    Args:
        values: [N] int.

    Returns:
        {} without values.
    """
    array = np.asarray(values, np.int64)
    if not len(array):
        return {}
    found, counts = np.unique(array, return_counts=True)
    low, median, high = np.percentile(array, (5, 50, 95))
    return {
        "mean": float(array.mean()), "p5": float(low), "median": float(median), "p95": float(high),
        "max": int(found[-1]), "values": found.tolist(), "counts": counts.tolist(),
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shapes:
    """What the graphs of N peptides show."""

    pieces: Rows
    """[N] int64, pieces of the Amiibo cut besides bare amides: residues, caps, methyl groups."""
    cyclic: npt.NDArray[np.bool_]
    """[N] bool, whether a ring runs through several pieces, with all S-S bonds left out."""
    bridged: npt.NDArray[np.bool_]
    """[N] bool, whether two sulphur atoms are bound."""


def shapes(store: GraphStore, rows: Rows) -> Shapes:
    """Return the shapes of some rows, which are ascending."""
    found = [_shapes(c, store.tables) for _, c in blocks(store, rows)]
    parts = zip(*found, strict=True) if found else ([np.zeros(0, np.int64)],) * 3
    pieces, cyclic, bridged = map(np.concatenate, parts)
    return Shapes(pieces, cyclic.astype(bool), bridged.astype(bool))


def _shapes(c: GraphColumns, tables: FeatureTables) -> tuple[Rows, Any, Any]:
    graph = np.repeat(np.arange(len(c)), c.sizes("bond"))
    begin, end = (ends + c.atom_ptr[graph] for ends in (c.bond_begin, c.bond_end))
    sulphur = (tables.atom_label[:, 0] == SULPHUR - 1)[c.atom_code]
    bridge = sulphur[begin] & sulphur[end]
    cut = c.atom_fragment[begin] != c.atom_fragment[end]
    piece = _components(len(c.atom_code), begin[~cut & ~bridge], end[~cut & ~bridge])
    chain = _components(len(c.atom_code), begin[~bridge], end[~bridge])
    owner = np.repeat(np.arange(len(c)), c.sizes("atom"))
    links = np.unique(np.sort(np.stack([piece[begin[cut]], piece[end[cut]]]), axis=0), axis=1)
    first = np.unique(piece, return_index=True)[1]
    # Independent cycles of a graph: edges - nodes + components.
    rings = (
        np.bincount(owner[first[links[0]]], minlength=len(c))
        - _distinct(owner, piece, len(c))
        + _distinct(owner, chain, len(c))
    )
    bridged = np.bincount(graph[bridge], minlength=len(c)) > 0
    return _pieces(c, tables), rings > 0, bridged


def _components(count: int, a: Rows, b: Rows) -> Rows:
    """Return the component of each of `count` nodes with the edges a[i]-b[i]. [count]."""
    edges = coo_array((np.ones(len(a), bool), (a, b)), shape=(count, count))
    found: Rows = connected_components(edges, directed=False)[1]
    return found


def _distinct(owner: Rows, label: Rows, count: int) -> Rows:
    """Return how many labels the atoms of each graph have; no two graphs share one. [count]."""
    return np.bincount(owner[np.unique(label, return_index=True)[1]], minlength=count)


def _pieces(c: GraphColumns, tables: FeatureTables) -> Rows:
    bare = np.array([smiles == BARE_AMIDE for smiles in tables.fragment_smiles])
    rest = ~bare[c.fragment_code]
    owner = np.repeat(np.arange(len(c)), c.sizes("fragment"))[rest]
    residue = c.fragment_residue[rest].astype(np.int64)
    width = int(residue.max(initial=0)) + 1
    return np.bincount(np.unique(owner * width + residue) // width, minlength=len(c))
