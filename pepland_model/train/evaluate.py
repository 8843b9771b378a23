"""Evaluate a network on validation batches with fixed masks, and compute the baseline."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.run.distributed import ProcessGroup
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
"""Every evaluation of every run uses the same masks, so that results can be compared."""


def fixed_masks(batch: HeteroBatch, options: MaskOptions) -> Masked:
    """Return a batch with the masks of evaluations."""
    return mask_batch(batch, options, EVALUATION_SEED, EVALUATION_EPOCH)


@torch.no_grad()
def evaluate(
    network: PretrainNetwork,
    batches: Iterable[HeteroBatch],
    options: MaskOptions,
    processes: ProcessGroup,
    precision: str,
) -> dict[str, float]:
    """Return loss and accuracy of each term over the batches of all ranks."""
    training = network.training
    network.eval()
    tally = torch.zeros(len(TERMS), 3, device=processes.device, dtype=torch.float64)
    for batch in batches:
        if batch.num_graphs:
            with autocast(precision, processes.device):
                terms = network(fixed_masks(batch, options))
            tally += pretrain_tally(terms)
    network.train(training)
    return tally_metrics(processes.sum(tally))


def tally_metrics(tally: Tensor) -> dict[str, float]:
    """Return ``<term>_loss`` and ``<term>_accuracy``, and the sum of the losses as ``loss``.

    A term without masked nodes is left out. The host waits for the device.

    Args:
        tally: [3, 3], summed over batches; see `pretrain_tally`.
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
    network: PretrainNetwork,
    batches: Iterable[HeteroBatch],
    options: MaskOptions,
    processes: ProcessGroup,
) -> dict[str, float]:
    """Return loss and accuracy of predicting the label frequencies for every masked node.

    The frequencies are those of the masked labels of the evaluation, so the loss is their entropy,
    and no other fixed prediction has a lower one.
    """
    classes = network.num_classes
    counts = [torch.zeros(n, dtype=torch.float64, device=processes.device) for n in classes]
    for batch in batches:
        targets = network.targets(fixed_masks(batch, options))
        for count, target in zip(counts, targets, strict=True):
            # Nodes that are not masked count in an extra class: selecting would make the host wait.
            label = torch.where(target == IGNORE, len(count), target)
            count += torch.bincount(label, minlength=len(count) + 1)[: len(count)]
    found: dict[str, float] = {}
    for term, count in zip(TERMS, counts, strict=True):
        total = processes.sum(count)
        if float(total.sum()) > 0:
            found[f"{term}_loss"] = frequency_loss(total)
            found[f"{term}_accuracy"] = most_frequent_share(total)
    found["loss"] = sum(v for k, v in found.items() if k.endswith("_loss"))
    return found
