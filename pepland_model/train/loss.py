"""Cross entropy over masked nodes, as sums that are divided by global counts.

With a mean per batch, a masked atom would count more in a batch or on a rank that has few of them.
So each part of a batch gives a sum and a count, and the divisor is the number of masked nodes in
the whole optimizer step: on all ranks and in all accumulated parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pepland_model.network.kernels import devices as kernels
from pepland_model.train.mask import IGNORE

TERMS = ("atom", "fragment", "bond")
LOSS_SUM, CORRECT, COUNT = 0, 1, 2
"""Columns of a tally, whose rows are the terms."""


@dataclass(frozen=True, eq=False)
class Term:
    """The predictions of one head and their labels."""

    logits: Tensor
    """[N, classes], any float dtype; or [K, classes], those of K distinct embeddings."""
    target: Tensor
    """[N] int64, -100 for nodes that are not masked."""
    rows: Tensor | None = None
    """[N] int64, logits of each node among the K; None where node v has row v."""


def pretrain_tally(terms: Sequence[Term | None]) -> Tensor:
    """Return loss sum, correct predictions and masked nodes of each term. [3, 3] float32.

    The first column has a gradient. Logits are converted to float32.

    Args:
        terms: atom, fragment, bond; None if there is no such head.
    """
    known = [term for term in terms if term is not None]
    rows: list[Tensor | None]
    if all(_has_kernel(term) for term in known):
        found = iter(_tallies_by_kernel(known))
        rows = [None if term is None else next(found) for term in terms]
    else:
        rows = [None if term is None else _tally(term) for term in terms]
    zero = next(torch.zeros_like(row) for row in rows if row is not None)
    return torch.stack([zero if row is None else row for row in rows])


def _tally(term: Term) -> Tensor:
    logits = term.logits.float()
    if term.rows is not None:
        return _tally_of_states(logits, term.target, term.rows)
    loss = F.cross_entropy(logits, term.target, ignore_index=IGNORE, reduction="sum")
    right = (logits.detach().argmax(1) == term.target).sum()
    count = (term.target != IGNORE).sum()
    return torch.stack([loss, right.float(), count.float()])


def _has_kernel(term: Term) -> bool:
    return term.rows is not None and kernels.runs_on(term.logits.device)


def _tallies_by_kernel(terms: Sequence[Term]) -> Tensor:
    """Return the tallies of states of all terms. [terms, 3]."""
    from pepland_model.network.kernels.label_loss import label_loss

    rows = [term.rows for term in terms if term.rows is not None]
    targets = [term.target for term in terms]
    return label_loss([term.logits for term in terms], rows, targets, IGNORE)


def _tally_of_states(logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
    """Return the same tally from the logits of K embeddings, and how often each has each label."""
    wanted = label_counts(rows, target, *logits.shape)
    loss = -(wanted * torch.log_softmax(logits, 1)).sum()
    right = wanted.gather(1, logits.detach().argmax(1, keepdim=True)).sum()
    return torch.stack([loss, right, wanted.sum()])


def label_counts(rows: Tensor, target: Tensor, states: int, classes: int) -> Tensor:
    """Return how many nodes with an embedding have a label. [K, classes] float32.

    Integers are added, which gives the same result in any order.

    Args:
        rows: [N] int64, embedding of each node.
        target: [N] int64, its label, -100 for none.
        states: K.
        classes: number of labels.
    """
    asked = target != IGNORE
    place = torch.where(asked, rows * classes + target, states * classes)
    counts = torch.zeros(states * classes + 1, dtype=torch.int32, device=rows.device)
    counts.index_add_(0, place, asked.int())
    return counts[:-1].view(states, classes).float()


def total_loss(tally: Tensor, counts: Tensor) -> Tensor:
    """Return the sum over terms of loss sum / count; a term without masked nodes adds zero.

    Args:
        tally: [3, 3], of one part.
        counts: [3] float, masked nodes of each term in the whole optimizer step.
    """
    return (tally[:, LOSS_SUM] / counts.clamp(min=1)).sum()


def loss_weights(counts: Tensor) -> Tensor:
    """Return the gradient of `total_loss` with respect to its tally, but for columns without one.

    Args:
        counts: [3] float, as there.

    Returns:
        [3, 3].
    """
    return counts.clamp(min=1).reciprocal().unsqueeze(1).expand(-1, 3)


def frequency_loss(counts: Tensor) -> float:
    """Return the loss of predicting the label frequencies, which is their entropy, in nats.

    Args:
        counts: [classes], number of nodes with each label.
    """
    share = counts.double() / counts.sum().clamp(min=1)
    return float(-(share * share.clamp(min=1e-300).log()).sum())


def most_frequent_share(counts: Tensor) -> float:
    """Return the accuracy of predicting the most frequent label."""
    return float(counts.max() / counts.sum().clamp(min=1))
