"""Random sets that depend only on the hash of each text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pepland_data.hashing import salted, text_hashes
from pepland_data.store.graph_store import GraphStore


def random_sets(store: GraphStore, shares: Mapping[str, float], seed: int) -> npt.NDArray[np.uint8]:
    """Return the set of each graph; equal texts are in one set. [G] uint8, position in `shares`.

    Args:
        store: an opened store.
        shares: set -> share of the graphs; the shares add up to 1.
        seed: for the hash.
    """
    ends = np.cumsum(list(shares.values()))[:-1]
    hashes = salted(text_hashes(store.smiles), seed)
    return np.searchsorted(ends, hashes.astype(np.float64) / 2.0**64, "right").astype(np.uint8)
