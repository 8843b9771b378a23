"""Make some stored graphs again from their texts and compare them with the store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pepland_data.chem.monomers.given import GivenMonomers, check_same
from pepland_data.errors import InputError, InvalidMoleculeError
from pepland_data.store.graph_store import GraphStore


def semantic_faults(
    store: GraphStore, count: int, seed: int = 0, monomers: GivenMonomers | None = None
) -> tuple[int, list[str]]:
    """Return how many graphs were made again, and one sentence for each that differs.

    Args:
        store: an opened store.
        count: number of graphs to compare; all if the store has fewer.
        seed: for the choice of graphs.
        monomers: the monomers of HELM that the store was built with, if any.

    Raises:
        InputError: the store was built with other monomers.
    """
    from pepland_data.chem.conversion import FeaturizeOptions
    from pepland_data.chem.featurizer import Featurizer

    check_same(store.location, store.manifest.options.get("monomers"), monomers)
    try:
        options = FeaturizeOptions.of_record(dict(store.manifest.options), monomers)
    except InputError as error:
        return 0, [f"this release cannot make the graphs again: {error}"]
    featurizer = Featurizer(
        replace(options, standardize=False, add=())
    )  # texts of a store are standardized
    rows = np.random.default_rng(seed).permutation(len(store))[:count].tolist()
    faults = []
    for row in rows:
        try:
            same = featurizer.featurize(store.smiles[row]) == store[row]
        except InvalidMoleculeError as error:
            faults.append(f"graph {row}: its text no longer becomes a graph: {error}")
            continue
        if not same:
            faults.append(f"graph {row} differs from the graph that its text becomes now")
    return len(rows), faults
