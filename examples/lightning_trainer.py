"""Fit one column of a store with PharmHGT and Lightning.

Usage: python examples/lightning_trainer.py STORE COLUMN [STEPS]
"""

from __future__ import annotations

import sys

import lightning
import torch
from plain_torch import Regression  # PharmHGT with a linear head
from torch import Tensor, nn

from pepland_data import GraphLoader, HeteroBatch, open_store


class Module(lightning.LightningModule):
    """The network, with its loss and optimizer."""

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.network = Regression()
        self.register_buffer("target", target)

    def training_step(self, batch: HeteroBatch) -> Tensor:
        """Return the loss of a batch."""
        loss = nn.functional.mse_loss(self.network(batch), self.target[batch.graph_index])
        self.log("loss", loss, prog_bar=True, batch_size=batch.num_graphs)
        print(f"step {self.global_step} loss {loss.item():.4f}")
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adam(self.parameters(), lr=2e-4)


def main(store_path: str, column: str, steps: str = "100") -> None:
    """Train for some steps."""
    lightning.seed_everything(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    store = open_store(store_path)
    target = torch.from_numpy(store.columns[column]).float()  # [number of graphs]
    loader = GraphLoader(store, batch_size=32, seed=0, device=device, drop_last=True)
    trainer = lightning.Trainer(max_steps=int(steps), devices=1, accelerator=device, logger=False)
    trainer.fit(Module((target - target.mean()) / target.std()), loader)


if __name__ == "__main__":
    main(*sys.argv[1:])
