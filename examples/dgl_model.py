"""Train a network of DGL on the batches of a store.

Usage: python examples/dgl_model.py STORE COLUMN [EPOCHS]
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn

from pepland_data import GraphLoader, open_store
from pepland_data.batch.dgl_import import import_dgl

dgl = import_dgl()  # works beside a torch for which DGL has no graphbolt


class Fragments(nn.Module):
    """Two rounds of messages along the cut bonds, and a linear head on their mean."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(196, hidden)
        self.rounds = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in range(2))
        self.head = nn.Linear(hidden, 1)

    def forward(self, graph: Any) -> Tensor:
        """Return one number for each peptide. [G]."""
        graph.nodes["p"].data["h"] = self.first(graph.nodes["p"].data["f"].float())
        for layer in self.rounds:
            graph.update_all(dgl.function.copy_u("h", "m"), dgl.function.sum("m", "n"), etype="r")
            state = torch.cat([graph.nodes["p"].data["h"], graph.nodes["p"].data["n"]], 1)
            graph.nodes["p"].data["h"] = layer(state).relu()
        return self.head(dgl.mean_nodes(graph, "h", ntype="p")).squeeze(1)


def main(store_path: str, column: str, epochs: str = "10") -> None:
    """Train for some epochs and print the losses."""
    torch.manual_seed(0)
    store = open_store(store_path)
    target = torch.from_numpy(store.columns[column]).float()
    target = (target - target.mean()) / target.std()
    model = Fragments()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loader = GraphLoader(store, batch_size=64, seed=0, device="cpu")
    for epoch in range(int(epochs)):
        for step, batch in enumerate(loader):
            loss = nn.functional.mse_loss(model(batch.to_dgl()), target[batch.graph_index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(f"epoch {epoch} step {step} loss {loss.item():.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
