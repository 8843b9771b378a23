"""Pre-train PharmHGT on all columns of numbers of some stores at once, for fine-tuning.

Usage: python examples/pretrain_on_properties.py STORE [STORE ...] --out ENCODER

The columns may be descriptors (add_descriptors.py), measured properties, or both; a value may be
missing. Leave the peptides of the task that you fine-tune for out of the stores (`pepland-data
exclude`). Then: pepland-train --task regression --init-from ENCODER ...
"""

from __future__ import annotations

import argparse
import math
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from pepland_data import GraphLoader, GraphStore, open_store
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.finetune.readout import fit_statistics
from pepland_model.finetune.task_network import HeadConfig, TaskNetwork

HELD_OUT = 20
"""One of so many peptides is held out."""
MOST_DEVIATIONS = 5.0
"""Values further from the mean are moved to there, so that a few do not decide."""
RARE = 3.0
"""The largest weight of a column that few peptides have."""


def command_line() -> argparse.Namespace:
    """Return what the user gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+")
    parser.add_argument("--out", required=True, help="folder of the encoder")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--hidden", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def properties(stores: list[GraphStore]) -> tuple[list[str], Tensor]:
    """Return the names of the columns of numbers, and their values in deviations.

    Values are [graphs of all stores, columns] float32, NaN where missing.
    """
    columns = [{n: c for n, c in s.columns.items() if c.dtype.kind in "fiub"} for s in stores]
    names = list(dict.fromkeys(name for found in columns for name in found))
    if not names:
        raise SystemExit("the stores have no columns of numbers; see add_descriptors.py")
    missing = [np.full(len(store), np.nan) for store in stores]
    values = np.stack(
        [
            np.concatenate([found.get(n, m) for found, m in zip(columns, missing, strict=True)])
            for n in names
        ],
        axis=1,
    ).astype(np.float64)
    values -= np.nanmean(values, 0)
    varies = np.nanstd(values, 0) > 0
    values = values[:, varies] / np.nanstd(values[:, varies], 0)
    kept = [name for name, wanted in zip(names, varies, strict=True) if wanted]
    return kept, torch.from_numpy(values.clip(-MOST_DEVIATIONS, MOST_DEVIATIONS)).float()


def loader(stores: list[GraphStore], rows: Tensor, given: argparse.Namespace) -> GraphLoader:
    """Return batches of some graphs, which are numbered through all stores."""
    parts = rows.split([len(store) for store in stores])
    subset = [part.nonzero().flatten().numpy() for part in parts]
    return GraphLoader(
        stores, given.batch_size, shuffle=True, seed=given.seed, device=given.device, subset=subset
    )


def rate(step: int, steps: int) -> float:
    """Return the share of the learning rate: a warm-up of a twentieth, then a cosine to 0."""
    return min(1.0, 20 * (step + 1) / steps) * 0.5 * (1 + math.cos(math.pi * step / steps))


def loss_of(outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the mean Huber loss of the values that are known."""
    known = target.isfinite() * weight
    errors = smooth_l1_loss(outputs, target.nan_to_num(), reduction="none", beta=0.5)
    return (errors * known).sum() / known.sum()


@torch.no_grad()
def r2(network: TaskNetwork, held: GraphLoader, target: Tensor) -> Tensor:
    """Return the coefficient of determination of each column, NaN for a constant. [columns]."""
    pairs = [(network(batch), target[batch.graph_index]) for batch in held]
    outputs, truth = (torch.cat(part) for part in zip(*pairs, strict=True))
    left, whole = ((truth - guess).square().nansum(0) for guess in (outputs, truth.nanmean(0)))
    return torch.where(whole > 0, 1 - left / whole, torch.nan)


def main() -> None:
    """Train, print the losses, and write the encoder."""
    given = command_line()
    torch.manual_seed(given.seed)
    stores = [open_store(path) for path in given.stores]
    names, target = properties(stores)
    known = target.isfinite().sum(0).clamp(min=1)
    weight = (known.max() / known).sqrt().clamp(max=RARE).to(given.device)
    target = target.to(given.device)
    chosen = torch.randperm(len(target)) % HELD_OUT > 0
    train, held = loader(stores, chosen, given), loader(stores, ~chosen, given)
    encoder = PharmHGT(PharmHGTConfig(hidden=given.hidden))
    network = TaskNetwork(encoder, HeadConfig(given.hidden, len(names))).to(given.device)
    optimizer = torch.optim.AdamW(network.parameters(), given.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: rate(i, given.steps))
    print(f"{len(target)} peptides, {len(names)} properties: {', '.join(names)}")
    step = 0
    while step < given.steps:
        for batch in train:
            loss = loss_of(network(batch), target[batch.graph_index], weight)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            step += 1
            if step % 50 == 0 or step == given.steps:
                print(f"step {step} loss {loss.item():.4f}", flush=True)
            if step == given.steps:
                break
    fit_statistics(network, islice(train, 8))
    found = r2(network, held, target).tolist()
    print("R2, held out:", ", ".join(f"{n} {v:.2f}" for n, v in zip(names, found, strict=True)))
    encoder.cpu().save(given.out)


if __name__ == "__main__":
    main()
