"""Fit one column of a store with PharmHGT, in a plain PyTorch loop.

Usage: python examples/plain_torch.py STORE COLUMN [STEPS]
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

from pepland_data import GraphLoader, HeteroBatch, open_store
from pepland_model import PharmHGT, PharmHGTConfig


class Regression(nn.Module):
    """PharmHGT, the mean over the atoms of each peptide, and a head.

    The head normalizes its inputs, because the means of two peptides differ little.
    """

    def __init__(self, hidden: int = 300) -> None:
        super().__init__()
        self.encoder = PharmHGT(PharmHGTConfig(hidden=hidden))
        self.head = nn.Sequential(nn.BatchNorm1d(hidden), nn.Linear(hidden, 1))

    def forward(self, batch: HeteroBatch) -> Tensor:
        """Return one number for each peptide. [G]."""
        atoms = self.encoder(batch).atom  # [A, hidden]
        peptides = torch.segment_reduce(atoms, "mean", lengths=batch.atom_ptr.diff())
        return self.head(peptides).squeeze(1)


def main(store_path: str, column: str, steps: str = "100") -> None:
    """Train for some steps and print the losses."""
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    store = open_store(store_path)
    target = torch.from_numpy(store.columns[column]).float().to(device)  # [number of graphs]
    target = (target - target.mean()) / target.std()
    loader = GraphLoader(store, batch_size=32, seed=0, device=device, drop_last=True)
    model = Regression().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    step = 0
    while step < int(steps):
        for batch in loader:  # one epoch
            loss = nn.functional.mse_loss(model(batch), target[batch.graph_index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(f"step {step} loss {loss.item():.4f}")
            step += 1
            if step == int(steps):
                break


if __name__ == "__main__":
    main(*sys.argv[1:])
