"""`HeteroBatch`: the arrays of a batch with conversions from and to graphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pepland_data.batch.arrays import BatchArrays, BatchTables
from pepland_data.batch.dgl_graphs import batch_from_dgl, batch_to_dgl
from pepland_data.batch.pyg_graphs import batch_from_pyg, batch_to_pyg
from pepland_data.graph.columns import GROUPS, GraphColumns, concat
from pepland_data.graph.feature_tables import merge_tables
from pepland_data.graph.heterograph import HeteroGraph
from pepland_data.html_parts import shown_by


@dataclass(frozen=True, eq=False)
class HeteroBatch(BatchArrays):
    """G graphs as one batch; its fields are those of `BatchArrays`."""

    _repr_html_ = shown_by("pepland_data.notebook", "batch_html")

    @classmethod
    def from_graphs(cls, graphs: Sequence[HeteroGraph]) -> HeteroBatch:
        """Return one batch on the CPU; the graphs may have different tables."""
        tables, recodes = merge_tables([graph.tables for graph in graphs])
        columns = [g.columns.recode(r) for g, r in zip(graphs, recodes, strict=True)]
        return cls.from_columns(concat(columns), BatchTables.from_tables(tables))

    @classmethod
    def from_columns(
        cls, columns: GraphColumns, tables: BatchTables, graph_index: Any = None
    ) -> HeteroBatch:
        """Return a batch on the CPU from columns with indices that are local to each graph."""
        c = columns
        index = np.arange(len(c)) if graph_index is None else np.asarray(graph_index, np.int64)
        fragment_start = c.fragment_ptr[:-1]
        flat = {
            "atom_code": c.atom_code,
            "atom_fragment": c.atom_fragment + np.repeat(fragment_start, c.sizes("atom")),
            "fragment_code": c.fragment_code,
            "fragment_residue": c.fragment_residue,
        }
        for group, ends, starts in (
            ("bond", ("bond_begin", "bond_end"), c.atom_ptr[:-1]),
            ("reaction", ("reaction_begin", "reaction_end"), fragment_start),
        ):
            shift = np.repeat(starts, c.sizes(group))
            flat |= {name: getattr(c, name) + shift for name in ends}
            flat[f"{group}_code"] = getattr(c, f"{group}_code")
        ptrs = {f"{g}_ptr": torch.from_numpy(np.array(getattr(c, f"{g}_ptr"))) for g in GROUPS}
        tensors = {k: torch.from_numpy(v.astype(np.int32)) for k, v in flat.items()}
        return cls(tables, torch.from_numpy(index), **ptrs, **tensors)

    def graph(self, i: int) -> HeteroGraph:
        """Return graph i with the tables of the batch; its text is empty, as a batch has none."""
        if not -self.num_graphs <= i < self.num_graphs:
            raise IndexError(f"graph {i}; the batch has {self.num_graphs} graphs")
        i %= self.num_graphs
        arrays: dict[str, Any] = {}
        for group, names in GROUPS.items():
            start, stop = (int(x) for x in getattr(self, f"{group}_ptr")[i : i + 2])
            arrays[f"{group}_ptr"] = np.array([0, stop - start], np.int64)
            arrays |= {n: getattr(self, n)[start:stop].cpu().numpy() for n in names}
        atom_start, fragment_start = int(self.atom_ptr[i]), int(self.fragment_ptr[i])
        arrays["atom_fragment"] = arrays["atom_fragment"] - fragment_start
        for end in ("begin", "end"):
            arrays[f"bond_{end}"] = arrays[f"bond_{end}"] - atom_start
            arrays[f"reaction_{end}"] = arrays[f"reaction_{end}"] - fragment_start
        return HeteroGraph("", self.tables.host, GraphColumns(**arrays))

    def to_dgl(self) -> Any:
        """Return a DGL heterograph with the published node and edge types and data fields."""
        return batch_to_dgl(self)

    @classmethod
    def from_dgl(cls, graph: Any, tables: BatchTables) -> HeteroBatch:
        """Return the batch of a DGL graph with PepLand's field names; see `batch.dgl_graphs`."""
        return cls(**vars(batch_from_dgl(graph, tables)))

    @classmethod
    def from_pyg(cls, data: Any, tables: BatchTables) -> HeteroBatch:
        """Return the batch of a PyG graph that `to_pyg` made; see `batch.pyg_graphs`."""
        return cls(**vars(batch_from_pyg(data, tables)))

    def to_pyg(self) -> Any:
        """Return a PyG ``HeteroData`` with node types ``atom`` and ``fragment``."""
        return batch_to_pyg(self)
