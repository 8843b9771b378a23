"""The vector of a peptide, pooled from the vectors of its atoms and fragments.

The rows of a peptide follow each other in the batch. Mean and maximum run over exactly these rows,
so other peptides of the batch and padding have no influence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_model.network.output import PharmHGTOutput
from pepland_model.network.segments import segment_sum

LEVELS = ("peptide", "atom", "fragment")
VIEWS = ("both", "atom", "fragment")
POOLINGS = ("mean", "max")
READOUTS = ("mean", "rounds", "full")


@dataclass(frozen=True)
class Pooling:
    """Which vectors to compute."""

    level: str = "peptide"
    """``peptide``: one vector per peptide; ``atom`` or ``fragment``: one per node."""
    view: str = "both"
    """``atom``, ``fragment``, or ``both``: the mean of the two pooled views."""
    how: str = "mean"
    """``mean`` or ``max`` over the nodes of a view."""
    readout: str = "mean"
    """At level ``peptide``: ``mean``, the vector that `view` and `how` describe; ``rounds`` or
    ``full``, see `readout`, where ``both`` joins the two views."""

    @property
    def views(self) -> tuple[bool, bool]:
        """Whether atoms are needed, and whether fragments are needed."""
        nodes = self.view if self.level == "peptide" else self.level
        return nodes != "fragment", nodes != "atom"

    def __post_init__(self) -> None:
        known = {"level": LEVELS, "view": VIEWS, "how": POOLINGS, "readout": READOUTS}
        for name, choices in known.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} is {getattr(self, name)!r}; choose from {', '.join(choices)}"
                )
        if self.readout != "mean" and (self.level, self.how) != ("peptide", "mean"):
            raise InputError(
                f"the readout {self.readout!r} gives means and sums of level peptide; choose the "
                "readout mean, or leave out level and pooling"
            )


def run_views(
    model: Callable[..., PharmHGTOutput],
    batch: HeteroBatch,
    atoms: bool,
    fragments: bool,
    rounds: bool = False,
) -> PharmHGTOutput:
    """Run a model on a batch, without the last layer of a view that is not needed.

    Args:
        model: `PharmHGT`.
        batch: on the device of the model.
        atoms: whether atoms are needed; otherwise the output holds no atoms.
        fragments: the same for fragments.
        rounds: whether the output holds the states after each round.
    """
    none = torch.zeros(0, dtype=torch.int64, device=batch.device)
    return model(
        batch,
        atom_rows=None if atoms else none,
        fragment_rows=None if fragments else none,
        rounds=rounds,
    )


def pool(rows: Tensor, ptr: Tensor, how: str) -> Tensor:
    """Return the mean or maximum of each segment of rows; zero for an empty segment. [G, d].

    Args:
        rows: [N, d]; the rows of a segment follow each other.
        ptr: [G+1] int64.
        how: ``mean`` or ``max``.
    """
    sizes = ptr.diff()
    owner = torch.repeat_interleave(sizes, output_size=len(rows))
    if how == "mean":
        return segment_sum(rows, ptr, owner) / sizes.clamp(min=1).unsqueeze(1)
    index = owner.unsqueeze(1).expand_as(rows)
    empty = rows.new_zeros(len(sizes), rows.shape[1])
    return empty.scatter_reduce(0, index, rows, "amax", include_self=False)


def pooled(batch: HeteroBatch, out: PharmHGTOutput, view: str, how: str) -> Tensor:
    """Return one vector per graph of the batch. [G, d].

    Args:
        batch: input of the model, without padding.
        out: output of the model.
        view: ``atom``, ``fragment`` or ``both``.
        how: ``mean`` or ``max``.
    """
    by_view = pooled_views(batch, out, view, how)
    return by_view[0] if len(by_view) == 1 else (by_view[0] + by_view[1]) / 2


def pooled_views(batch: HeteroBatch, out: PharmHGTOutput, view: str, how: str) -> list[Tensor]:
    """Return one vector per graph and view, atoms first. One or two tensors [G, d]."""
    by_view = []
    if view != "fragment":
        by_view.append(pool(out.atom_embedding, batch.atom_ptr, how))
    if view != "atom":
        by_view.append(pool(out.fragment_embedding, batch.fragment_ptr, how))
    return by_view


def vectors(batch: HeteroBatch, out: PharmHGTOutput, pooling: Pooling) -> tuple[Tensor, Tensor]:
    """Return the vectors of a batch, and which of them belong to which graph.

    Returns:
        [N, d] vectors and [G+1] int64 pointers; at level ``peptide`` N is G.
    """
    ptr = pointers_of(batch, pooling)
    if pooling.level == "atom":
        return out.atom_embedding, ptr
    if pooling.level == "fragment":
        return out.fragment_embedding, ptr
    return pooled(batch, out, pooling.view, pooling.how), ptr


def pointers_of(batch: HeteroBatch, pooling: Pooling) -> Tensor:
    """Return which vectors belong to which graph. [G+1] int64."""
    nodes = {"atom": batch.atom_ptr, "fragment": batch.fragment_ptr}
    every = torch.arange(batch.num_graphs + 1, device=batch.device)
    return nodes.get(pooling.level, every)
