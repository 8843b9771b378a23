"""Cross entropy over masked nodes, summed, so that it can be divided by global counts.

A mean per batch would weigh a masked atom more in a batch (or on a rank) that has few of them.
So every part gives sums and counts, and the divisor is the number of masked nodes in the whole
optimizer step: all ranks, all accumulated parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pepland_model.train.mask import IGNORE

TERMS = ("atom", "fragment", "bond")
LOSS_SUM, CORRECT, COUNT = 0, 1, 2
"""Columns of a tally."""


@dataclass(frozen=True, eq=False)
class Term:
    """What one head predicts and what is right."""

    logits: Tensor
    """[N, classes], any float dtype."""
    target: Tensor
    """[N] int64, -100 where nothing is to be predicted."""


def pretrain_tally(terms: Sequence[Term | None]) -> Tensor:
    """Return loss sum, correct answers and masked nodes of each term. [3, 3] float32.

    The first column has a gradient. The classes' logits are taken to float32 first.

    Args:
        terms: atom, fragment, bond; None where there is no such head.
    """
    rows = [_tally(term) for term in terms if term is not None]
    zero = torch.zeros_like(rows[0])
    filled = iter(rows)
    return torch.stack([zero if term is None else next(filled) for term in terms])


def _tally(term: Term) -> Tensor:
    logits = term.logits.float()
    loss = F.cross_entropy(logits, term.target, ignore_index=IGNORE, reduction="sum")
    right = (logits.detach().argmax(1) == term.target).sum()
    count = (term.target != IGNORE).sum()
    return torch.stack([loss, right.float(), count.float()])


def total_loss(tally: Tensor, counts: Tensor) -> Tensor:
    """Return the sum over terms of loss sum / count; a term without masked nodes adds nothing.

    Args:
        tally: [3, 3], of this part.
        counts: [3] float, masked nodes of each term in the whole optimizer step.
    """
    return (tally[:, LOSS_SUM] / counts.clamp(min=1)).sum()


def frequency_loss(counts: Tensor) -> float:
    """Return the loss of always answering with the label frequencies (their entropy, in nats).

    Args:
        counts: [classes], how often each label occurs.
    """
    share = counts.double() / counts.sum().clamp(min=1)
    return float(-(share * share.clamp(min=1e-300).log()).sum())


def most_frequent_share(counts: Tensor) -> float:
    """Return the accuracy of always answering with the most frequent label."""
    return float(counts.max() / counts.sum().clamp(min=1))
