"""Which graphs of a store are molecules of other stores: canonical SMILES, stereo included.

RDKit reads few texts: only graphs with the pieces and bonds of another one can be the same molecule
(`near_rows.NearRows.equal`), and equal texts that are read in the same way need no RDKit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.graph.columns import pointers
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.near_rows import NONE, NearRows
from pepland_data.store.split.piece_graph import Rows

Names = Callable[[GraphStore, Rows], Iterable[Any]]
"""Returns something that is equal for the same molecule, for some graphs of a store."""
READING = ("input_format", "lowercase", "monomers")
"""Options of a store that decide which molecule a text is."""


def same_molecules(
    store: GraphStore,
    like: Sequence[GraphStore],
    found: NearRows,
    monomers: GivenMonomers | None = None,
) -> Rows:
    """Return a graph of other stores that is the same molecule. [G] int64, -1 for none.

    It is the first one with the same text, else the first one.

    Args:
        store: an opened store.
        like: other opened stores, whose graphs are numbered one after the other.
        found: what `near_rows` returned for them.
        monomers: the monomers of HELM that the stores with such monomers were built with.

    Raises:
        InvalidMoleculeError: a text of a store is no molecule for this RDKit.
    """
    same = np.full(len(store), NONE)
    for names in (_texts, partial(_identities, monomers=monomers)):
        left = found.equal[same[found.equal] == NONE]
        if len(left):
            known = _first_of_each(like, found.equal_like, names)
            same[left] = [known.get(name, NONE) for name in names(store, left)]
    return same


def _first_of_each(like: Sequence[GraphStore], chosen: Rows, names: Names) -> dict[Any, int]:
    """Return the number of the first of the chosen graphs with each name."""
    known: dict[Any, int] = {}
    ends = pointers([len(one) for one in like])
    for one, (first, end) in zip(like, pairwise(ends.tolist()), strict=True):
        rows = chosen[(chosen >= first) & (chosen < end)] - first
        for row, name in zip(rows.tolist(), names(one, rows), strict=True):
            known.setdefault(name, first + row)
    return known


def _texts(store: GraphStore, rows: Rows) -> Iterator[tuple[str, str]]:
    """Yield the texts of some graphs, with the options that decide which molecule a text is."""
    reading = repr([store.manifest.options.get(name) for name in READING])
    return ((reading, store.smiles[row]) for row in rows.tolist())


def _identities(store: GraphStore, rows: Rows, monomers: GivenMonomers | None) -> Iterator[bytes]:
    """Yield the identity of the molecules of some graphs."""
    from pepland_data.chem.conversion import FeaturizeOptions
    from pepland_data.chem.notation.molecule_identity import identity_of_molecule
    from pepland_data.chem.notation.parse import parse
    from pepland_data.chem.rdkit_messages import RdkitMessages

    given = monomers if "monomers" in store.manifest.options else None
    options = FeaturizeOptions.of_record(dict(store.manifest.options), given)
    form, small = options.input_format, options.lowercase
    with RdkitMessages() as log:
        for row in rows.tolist():
            mol = parse(store.smiles[row], form, options.max_atoms, log, given, small)
            yield identity_of_molecule(mol)
