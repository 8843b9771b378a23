"""The arrays of a batch: several hundred graphs, one after the other, ready for the model.

A batch contains codes, indices of batch rows, and the tables on the same device. The model looks up
feature rows where it needs them, and lays out edges in `network.edges`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from pepland_data.graph.feature_tables import FeatureTables


def place_of(device: torch.device | str) -> torch.device:
    """Return the device as its tensors name it: ``cuda`` with the number of the current card.

    Otherwise ``cuda`` and ``cuda:0`` differ, and tables would be sent to a device that has them.
    """
    named = torch.device(device)
    if named.type == "cuda" and named.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return named


@dataclass(frozen=True, eq=False)
class BatchTables:
    """`FeatureTables` as tensors on the batch's device; row 0 of each is the mask row."""

    host: FeatureTables
    """The same tables as numpy arrays, with the fragment SMILES."""
    atom_x: Tensor
    """[Ua, 42] float32."""
    atom_label: Tensor
    """[Ua, 2] int64, -1 for the mask row."""
    bond_x: Tensor
    """[Ub, 14] float32."""
    fragment_x: Tensor
    """[Uf, 196] float32."""
    fragment_maskable: Tensor
    """[Uf] bool."""

    @classmethod
    def from_tables(cls, tables: FeatureTables, device: torch.device | str = "cpu") -> BatchTables:
        """Copy the tables to a device; a loader does this once, not for each batch."""
        return cls(
            tables,
            torch.from_numpy(tables.atom_x).to(device),
            torch.from_numpy(tables.atom_label.astype(np.int64)).to(device),
            torch.from_numpy(tables.bond_x.astype(np.float32)).to(device),
            torch.from_numpy(tables.fragment_x.astype(np.float32)).to(device),
            torch.from_numpy(tables.fragment_maskable).to(device),
        )

    def to(self, device: torch.device | str) -> BatchTables:
        """Return the tables on a device; the same object if they are already there."""
        if self.atom_x.device == place_of(device):
            return self
        return BatchTables.from_tables(self.host, device)


@dataclass(frozen=True, eq=False)
class BatchArrays:
    """G graphs; atoms and fragments in graph order, atoms in RDKit order inside a graph.

    Row ``ptr[i]`` to ``ptr[i+1]`` belongs to graph i. With static shapes the arrays are longer than
    ``ptr[-1]``: the rows after it are padding (code 0, bonds from the last atom to itself, atoms in
    the last fragment) and belong to no real graph; graphs after the last real one are empty and
    numbered -1.
    """

    tables: BatchTables
    graph_index: Tensor
    """[G] int64, row of each graph in its store (0 to G-1 for graphs of no store)."""
    atom_ptr: Tensor
    """[G+1] int64."""
    fragment_ptr: Tensor
    """[G+1] int64."""
    bond_ptr: Tensor
    """[G+1] int64, bonds counted once, not per direction."""
    reaction_ptr: Tensor
    """[G+1] int64, cut bonds counted once."""
    atom_code: Tensor
    """[A] int32, row of the atom table."""
    atom_fragment: Tensor
    """[A] int32, batch row of the atom's fragment."""
    fragment_code: Tensor
    """[P] int32, row of the fragment table."""
    fragment_residue: Tensor
    """[P] int32, Amiibo piece of the fragment, local to its graph."""
    bond_begin: Tensor
    """[B] int32, batch row of the begin atom, in RDKit bond order."""
    bond_end: Tensor
    """[B] int32, batch row of the end atom."""
    bond_code: Tensor
    """[B] int32, row of the bond table."""
    reaction_begin: Tensor
    """[C] int32, batch row of a fragment."""
    reaction_end: Tensor
    """[C] int32, batch row of a fragment."""
    reaction_code: Tensor
    """[C] int32, row of the bond table."""

    @property
    def num_graphs(self) -> int:
        """Number of graphs; with static shapes this includes the empty ones that fill the batch."""
        return len(self.atom_ptr) - 1

    def __len__(self) -> int:
        return self.num_graphs

    @property
    def device(self) -> torch.device:
        """The device of the batch."""
        return self.atom_code.device

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays without the tables."""
        arrays = (getattr(self, f.name) for f in fields(self) if f.name != "tables")
        return sum(a.numel() * a.element_size() for a in arrays)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch and its tables on another device."""
        target = place_of(device)
        if target == self.device:
            return self
        moved = {
            f.name: getattr(self, f.name).to(target, non_blocking=non_blocking)
            for f in fields(self)
            if f.name != "tables"
        }
        return replace(self, tables=self.tables.to(target), **moved)

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory; ``DataLoader(pin_memory=True)`` calls this."""
        names = [f.name for f in fields(self) if f.name != "tables"]
        return replace(self, **{name: getattr(self, name).pin_memory() for name in names})
