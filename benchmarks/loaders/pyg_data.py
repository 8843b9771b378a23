"""A peptide as PyG's ``Data``, for `loaders.graphs`; it needs torch_geometric."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import Data

ROWS = {"atom_fragment": "fragment_code", "reaction_index": "fragment_code",
        "bond_index": "atom_code"}  # fmt: skip
"""Index array -> the array whose rows it names."""


class PeptideData(Data):  # type: ignore[misc]
    """Codes and local indices; in a batch the indices count through its graphs."""

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> int:
        return len(self[ROWS[key]]) if key in ROWS else 0


torch.serialization.add_safe_globals([PeptideData])  # its files are read as plain data
