"""A peptide as ``Data`` of PyG, for `loaders.graphs`; this needs torch_geometric."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import Data

ROWS = {"atom_fragment": "fragment_code", "reaction_index": "fragment_code",
        "bond_index": "atom_code"}  # fmt: skip
"""Index array -> the array whose rows it names."""


class PeptideData(Data):  # type: ignore[misc]
    """Codes and local indices; joining a batch shifts the indices."""

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> int:
        return len(self[ROWS[key]]) if key in ROWS else 0


torch.serialization.add_safe_globals([PeptideData])  # allows reading its files
