"""Vectors of peptides that hold more than the mean over the last states.

``rounds`` holds, for atoms and for fragments, the mean and the sum over the nodes of their inputs
(round 0), of their states after every round of message passing, and of the embedding, then
log(1 + n) of the n atoms and of the n fragments.
``full`` also counts each fragment of a fixed list, and all others together.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.output import PharmHGTOutput, Round
from pepland_model.network.takers import bag

NODES = ("atom", "fragment")
SUMMARIES = ("mean", "sum")


def rounds_vectors(batch: HeteroBatch, out: PharmHGTOutput, view: str) -> Tensor:
    """Return means, sums and sizes of the graphs of a batch. [G, w] float32, w as `rounds_names`.

    Args:
        batch: input of the model, without padding.
        out: output of the model, with the states after each round.
        view: ``atom``, ``fragment`` or ``both``.
    """
    parts = []
    for name in nodes_of(view):
        sizes = getattr(batch, f"{name}_ptr").diff().clamp(min=1).unsqueeze(1)
        for states in passed(out, name):
            total = summed(states, getattr(batch, f"{name}_ptr"))
            parts += [total / sizes, total]
    sizes = torch.stack([batch.atom_ptr.diff(), batch.fragment_ptr.diff()], 1)
    return torch.cat([*parts, sizes.float().log1p()], 1)


def rounds_names(view: str, rounds: int, hidden: int) -> Iterator[str]:
    """Yield the name of each number of `rounds_vectors`, such as ``atom round 0 mean 0``."""
    for name in nodes_of(view):
        for when in (*(f"round {i}" for i in range(rounds + 1)), "embedding"):
            for how in SUMMARIES:
                yield from (f"{name} {when} {how} {k}" for k in range(hidden))
    yield from ("log(1 + atoms)", "log(1 + fragments)")


def nodes_of(view: str) -> tuple[str, ...]:
    """Return the kinds of nodes of a view, atoms first."""
    return NODES if view == "both" else (view,)


def passed(out: PharmHGTOutput, name: str) -> tuple[Round, ...]:
    """Return the states after each round, and the embedding, of ``atom`` or ``fragment``."""
    return *getattr(out, f"{name}_rounds"), Round(getattr(out, f"{name}_embedding"), None)


def summed(states: Round, ptr: Tensor) -> Tensor:
    """Return the sum of the states of the nodes of each graph. [G, d] float32."""
    rows = states.rows
    if rows is None:
        rows = torch.arange(len(states.states), device=ptr.device)
    return bag(states.states.float(), rows, ptr)


def fragment_counts(batch: HeteroBatch, labels: Tensor, size: int) -> Tensor:
    """Return how often each fragment occurs in each graph. [G, size] float32.

    Args:
        batch: graphs without padding.
        labels: [Uf] int64, number below `size` of each row of the fragment table.
        size: how many numbers there are.
    """
    owner = torch.repeat_interleave(batch.fragment_ptr.diff())
    cell = owner * size + labels[batch.fragment_code.long()]
    counts = torch.bincount(cell, minlength=batch.num_graphs * size)
    return counts.view(batch.num_graphs, size).float()
