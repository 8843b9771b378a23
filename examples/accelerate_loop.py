"""Fit one column of a store with PharmHGT and Accelerate, on one or several devices.

Usage: accelerate launch examples/accelerate_loop.py STORE COLUMN [EPOCHS]
"""

from __future__ import annotations

import sys

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from plain_torch import Regression  # PharmHGT with a linear head
from torch import nn

from pepland_data import GraphLoader, open_store


def main(store_path: str, column: str, epochs: str = "10") -> None:
    """Train for some epochs and print the losses of the first process."""
    torch.manual_seed(0)
    # The head reads the atoms only, so some weights of the encoder get no gradient.
    some_unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(kwargs_handlers=[some_unused])
    store = open_store(store_path)
    target = torch.from_numpy(store.columns[column]).float().to(accelerator.device)
    target = (target - target.mean()) / target.std()
    loader = GraphLoader(
        store, batch_size=16, seed=0, device=accelerator.device, drop_last=True,
        rank=accelerator.process_index, world_size=accelerator.num_processes,
    )  # fmt: skip
    model = Regression()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    for epoch in range(int(epochs)):
        for step, batch in enumerate(loader):
            loss = nn.functional.mse_loss(model(batch), target[batch.graph_index])
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            accelerator.print(f"epoch {epoch} step {step} loss {loss.item():.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
