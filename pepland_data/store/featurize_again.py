"""Make some stored graphs again from their texts and compare them with the store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pepland_data.errors import InvalidMoleculeError
from pepland_data.store.graph_store import GraphStore


def semantic_faults(store: GraphStore, count: int, seed: int = 0) -> tuple[int, list[str]]:
    """Return how many graphs were made again, and one sentence for each that differs.

    Args:
        store: an opened store.
        count: graphs to look at, all where it has fewer.
        seed: chooses them.
    """
    from pepland_data.chem.conversion import FeaturizeOptions
    from pepland_data.chem.featurizer import Featurizer

    options = FeaturizeOptions.of_record(dict(store.manifest.options))
    featurizer = Featurizer(replace(options, standardize=False))  # stored texts are the result
    rows = np.random.default_rng(seed).permutation(len(store))[:count].tolist()
    found = []
    for row in rows:
        try:
            same = featurizer.featurize(store.smiles[row]) == store[row]
        except InvalidMoleculeError as error:
            found.append(f"graph {row}: its text gives no graph now: {error}")
            continue
        if not same:
            found.append(f"graph {row} is not what its text gives now")
    return len(rows), found
