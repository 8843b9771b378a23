"""Figures that compare: fixed masks, no gradient, sums over all ranks; and the baselines beside."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.run.distributed import World
from pepland_model.train.loss import (
    CORRECT,
    COUNT,
    LOSS_SUM,
    TERMS,
    frequency_loss,
    most_frequent_share,
    pretrain_tally,
)
from pepland_model.train.mask import IGNORE, Masked, MaskOptions, mask_batch
from pepland_model.train.pretrain_network import PretrainNetwork
from pepland_model.train.step import autocast

EVALUATION_SEED, EVALUATION_EPOCH = 20231105, 0
"""The masks of every evaluation of every run."""


def fixed_masks(batch: HeteroBatch, options: MaskOptions) -> Masked:
    """Mask a batch as in every other evaluation."""
    return mask_batch(batch, options, EVALUATION_SEED, EVALUATION_EPOCH)


@torch.no_grad()
def evaluate(
    network: PretrainNetwork,
    batches: Iterable[HeteroBatch],
    options: MaskOptions,
    world: World,
    precision: str,
) -> dict[str, float]:
    """Return loss and accuracy of each term over this and all other ranks' batches."""
    training = network.training
    network.eval()
    tally = torch.zeros(len(TERMS), 3, device=world.device, dtype=torch.float64)
    for batch in batches:
        if batch.num_graphs:
            with autocast(precision, world.device):
                terms = network(fixed_masks(batch, options))
            tally += pretrain_tally(terms)
    network.train(training)
    return tally_metrics(world.sum(tally))


def tally_metrics(tally: Tensor) -> dict[str, float]:
    """Return ``<term>_loss``, ``<term>_accuracy`` and their joint ``loss`` as plain numbers.

    A term without masked nodes is left out. This waits for the device.

    Args:
        tally: [3, 3], summed over batches.
    """
    rows = tally.double().cpu()
    found: dict[str, float] = {"loss": 0.0}
    for term, row in zip(TERMS, rows, strict=True):
        if row[COUNT] > 0:
            found[f"{term}_loss"] = float(row[LOSS_SUM] / row[COUNT])
            found[f"{term}_accuracy"] = float(row[CORRECT] / row[COUNT])
            found["loss"] += found[f"{term}_loss"]
    return found


@torch.no_grad()
def frequency_baseline(
    network: PretrainNetwork, batches: Iterable[HeteroBatch], options: MaskOptions, world: World
) -> dict[str, float]:
    """Return the loss and accuracy of always answering with the frequencies of the masked labels.

    The loss is the entropy of the labels that an evaluation asks for, so no fixed answer, that of
    the training corpus included, can do better.
    """
    classes = network.num_classes
    counts = [torch.zeros(n, dtype=torch.float64, device=world.device) for n in classes]
    for batch in batches:
        targets = network.targets(fixed_masks(batch, options))
        for count, target in zip(counts, targets, strict=True):
            # An extra class takes what is not masked, so that nothing is selected on the device.
            label = torch.where(target == IGNORE, len(count), target)
            count += torch.bincount(label, minlength=len(count) + 1)[: len(count)]
    found: dict[str, float] = {}
    for term, count in zip(TERMS, counts, strict=True):
        total = world.sum(count)
        if float(total.sum()) > 0:
            found[f"{term}_loss"] = frequency_loss(total)
            found[f"{term}_accuracy"] = most_frequent_share(total)
    found["loss"] = sum(v for k, v in found.items() if k.endswith("_loss"))
    return found
