"""Evaluate a network on validation batches with fixed masks, and compute the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.fixed_program import FixedProgram, nothing
from pepland_model.network.states.rooms import Rooms
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


class Evaluation:
    """Evaluates a network on batches; on a GPU as a recorded program of its own.

    Args:
        network: encoder and heads, on the device.
        options: what to mask.
        processes: processes of the run.
        precision: of the forward pass.
        graph: see `FixedProgram`; None runs the network batch by batch as it is.
        say: shows a sentence to the user.
    """

    def __init__(
        self,
        network: PretrainNetwork,
        options: MaskOptions,
        processes: ProcessGroup,
        precision: str,
        graph: str | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.network, self.options, self.processes = network, options, processes
        self.precision = precision
        self.program: FixedProgram | None = None
        if graph is not None:
            self.program = FixedProgram([self._body], self._measure, processes.device, graph, say)

    @torch.no_grad()
    def __call__(self, batches: Iterable[HeteroBatch]) -> dict[str, float]:
        """Return loss and accuracy of each term over the batches of all ranks."""
        training = self.network.training
        self.network.eval()
        tally = torch.zeros(len(TERMS), 3, device=self.processes.device, dtype=torch.float64)
        for part in self._tallies(batch for batch in batches if batch.num_graphs):
            tally += part
        self.network.train(training)
        return tally_metrics(self.processes.sum(tally))

    def _tallies(self, batches: Iterable[HeteroBatch]) -> Iterator[Tensor]:
        if self.program is None:
            yield from map(self._tally, batches)
            return
        for batch in batches:
            yield from (run.results[0] for run in self.program.submit(batch, None, nothing))
        yield from (run.results[0] for run in self.program.flush())

    def _tally(self, batch: HeteroBatch, rooms: Rooms | None = None) -> Tensor:
        with autocast(self.precision, self.processes.device):
            return pretrain_tally(self.network(fixed_masks(batch, self.options), rooms))

    def _body(self, batch: HeteroBatch, rooms: Rooms, halted: Tensor) -> tuple[Tensor, ...]:
        tally = self._tally(batch, rooms)
        halted.logical_or_(rooms.overflow())
        return (tally,)

    def _measure(self, batch: HeteroBatch, rooms: Rooms) -> None:
        self.network.encoder.search_states(fixed_masks(batch, self.options).batch, rooms)


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
