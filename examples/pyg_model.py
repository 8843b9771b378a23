"""Train a network of PyTorch Geometric on the batches of a store.

Usage: python examples/pyg_model.py STORE COLUMN [EPOCHS]
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn import GINEConv, global_mean_pool

from pepland_data import GraphLoader, open_store


class Atoms(nn.Module):
    """Two rounds of messages along the bonds, and a linear head on the mean of the atoms."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(42, hidden)
        self.rounds = nn.ModuleList(
            GINEConv(nn.Linear(hidden, hidden), edge_dim=14) for _ in range(2)
        )
        self.head = nn.Linear(hidden, 1)

    def forward(self, data: HeteroData) -> Tensor:
        """Return one number for each peptide. [G]."""
        bonds = data["atom", "bond", "atom"]
        state = self.first(data["atom"].x)
        for messages in self.rounds:
            state = messages(state, bonds.edge_index, bonds.edge_attr.float()).relu()
        return self.head(global_mean_pool(state, data["atom"].batch)).squeeze(1)


def main(store_path: str, column: str, epochs: str = "10") -> None:
    """Train for some epochs and print the losses."""
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    store = open_store(store_path)
    target = torch.from_numpy(store.columns[column]).float().to(device)
    target = (target - target.mean()) / target.std()
    model = Atoms().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loader = GraphLoader(store, batch_size=64, seed=0, device=device)
    for epoch in range(int(epochs)):
        for step, batch in enumerate(loader):
            loss = nn.functional.mse_loss(model(batch.to_pyg()), target[batch.graph_index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(f"epoch {epoch} step {step} loss {loss.item():.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
