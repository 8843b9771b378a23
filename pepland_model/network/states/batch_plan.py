"""The plan of a batch: which rows each of the three views computes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.edges import Edges, directed_edges
from pepland_model.network.states.junction import JunctionPlan
from pepland_model.network.states.plan import ViewPlan


@dataclass(frozen=True, eq=False)
class Plan:
    """Which rows the views of one batch compute."""

    atoms: ViewPlan | None
    """None where the states kept across batches are used, or the view is not wanted."""
    fragments: ViewPlan | None
    """None as above."""
    junction: JunctionPlan | None
    """None with output ``homo``."""

    def to(self, device: torch.device | str) -> Plan:
        """Return the plan on another device."""
        parts = (self.atoms, self.fragments, self.junction)
        return Plan(*(part if part is None else part.to(device) for part in parts))  # type: ignore[arg-type]


def view_edges(batch: HeteroBatch, prefix: str, num_nodes: int) -> Edges:
    """Return the directed edges of ``bond`` or ``reaction``."""
    begin, end, code = (getattr(batch, f"{prefix}_{name}") for name in ("begin", "end", "code"))
    return directed_edges(begin, end, code, num_nodes)
