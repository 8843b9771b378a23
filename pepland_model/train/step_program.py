"""A training step as a program of fixed shapes, which a CUDA device replays as one graph.

Masks, search for equal states, forward pass, loss on states, backward pass, clipping, optimizer and
moving average are in it. A step whose batch does not fit into the rooms changes no weight.

A step of several parts runs the program once for each. Parts add to sums of gradients, and the last
one updates. A part that does not fit adds nothing; it and those after it run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network.fixed_program import Body, FixedProgram, Run
from pepland_model.network.states.rooms import Rooms
from pepland_model.train.loss import COUNT, TERMS, loss_weights
from pepland_model.train.mask import (
    Masked,
    MaskOptions,
    mask_bases,
    mask_batch,
    mask_batch_with,
)
from pepland_model.train.optim import (
    clip_gradients,
    gradient_norm,
    unscale_gradients,
    update_scale,
)
from pepland_model.train.pretrain_network import PretrainNetwork
from pepland_model.train.step import PretrainUpdater, StepResult


@dataclass(frozen=True, eq=False)
class Step:
    """A step that has ended."""

    number: int
    """Steps done before it."""
    epoch: int
    batches: list[HeteroBatch]
    result: StepResult


class StepProgram:
    """Runs optimizer steps as a fixed program.

    Args:
        updater: updates the weights.
        masks: what to mask.
        seed: of the masks.
        graph: see `FixedProgram`.
        say: shows a sentence to the user.
        accumulate: parts of a step.
    """

    def __init__(
        self,
        updater: PretrainUpdater,
        masks: MaskOptions,
        seed: int,
        graph: str = "auto",
        say: Callable[[str], None] = lambda text: None,
        accumulate: int = 1,
    ) -> None:
        self.updater, self.masks, self.seed = updater, masks, seed
        self.accumulate = accumulate
        assert isinstance(updater.network, PretrainNetwork)
        self.encoder = updater.network.encoder
        self.bases = torch.tensor(mask_bases(seed, 0), device=updater.device)
        self._masked: Masked | None = None
        self._counts = self._sums = torch.zeros(0, device=updater.device)
        # Of a step of several parts: sums of parts so far, masked nodes, whether a part is last.
        sums = sum(p.numel() for p in updater.named.values()) + len(TERMS) * 3
        self._kept = torch.zeros(sums if accumulate > 1 else 0, device=updater.device)
        self._whole = torch.zeros(len(TERMS), device=updater.device)
        self._last, self._is_last = torch.ones((), dtype=torch.bool, device=updater.device), True
        stages: list[Body] = [self._mask, self._gradients, self._summed]
        between = [self._sum_counts, self._sum_gradients]
        if updater.processes.size == 1:
            stages, between = [self._body if accumulate == 1 else self._part], []
        self.program = FixedProgram(stages, self._measure, updater.device, graph, say, between)
        for group in updater.optimizer.param_groups:
            group["lr"] = torch.tensor(0.0, device=updater.device)
            # The fused optimizer leaves out a step on the device's word, see `_body`.
            group |= {"fused": True, "foreach": False, "capturable": updater.device.type == "cuda"}

    def submit(self, number: int, epoch: int, *batches: HeteroBatch) -> list[Step]:
        """Start a step; return earlier steps that have ended, in order.

        Args:
            number: steps done before this one.
            epoch: of the masks.
            batches: `accumulate` parts; some may have no graphs.
        """
        rates = self.updater.learning_rates(number)
        bases = mask_bases(self.seed, epoch)
        whole = self._whole_counts(batches, epoch) if self.accumulate > 1 else self._whole

        def before(last: bool) -> None:
            for group, rate in zip(self.updater.optimizer.param_groups, rates, strict=True):
                group["lr"].fill_(rate)
            for place, base in enumerate(bases):
                self.bases[place].fill_(base)
            if self.accumulate > 1:
                self._whole.copy_(whole)
                self._last.fill_(last)
                self._is_last = last

        done: list[Run] = []
        for part, batch in enumerate(batches, 1):
            last = part == len(batches)
            tag = (number, epoch, rates[-1], list(batches) if last else [])
            done += self.program.submit(batch, tag, partial(before, last))
        return self._steps(done)

    def _whole_counts(self, batches: Sequence[HeteroBatch], epoch: int) -> Tensor:
        """Return the masked nodes of a step, over all parts and processes. [3] float32."""
        parts = (mask_batch(b, self.masks, self.seed, epoch) for b in batches if b.num_graphs)
        counts = self.updater.counts(parts)
        self.updater.processes.sum_in_place(counts)
        return counts

    def flush(self) -> list[Step]:
        """Wait for all steps, and return those that had not been returned."""
        return self._steps(self.program.flush())

    def _steps(self, runs: list[Run]) -> list[Step]:
        steps = []
        for run in runs:
            (number, epoch, rate, batches), (tally, norm) = run.tag, run.results
            if batches:  # the last part
                steps.append(Step(number, epoch, batches, StepResult(tally, norm, rate)))
        return steps

    def _body(self, batch: HeteroBatch, rooms: Rooms, halted: Tensor) -> tuple[Tensor, ...]:
        """Run the whole step of a single process."""
        tally = self._backward(self._masked_batch(batch), None, rooms)
        halted.logical_or_(rooms.overflow())
        return tally, self._update(halted)

    def _part(self, batch: HeteroBatch, rooms: Rooms, halted: Tensor) -> tuple[Tensor, ...]:
        """Run a part of a step of a single process."""
        self._mask(batch, rooms, halted)
        self._gradients(batch, rooms, halted)
        return self._summed(batch, rooms, halted)

    def _mask(self, batch: HeteroBatch, rooms: Rooms, halted: Tensor) -> tuple[Tensor, ...]:
        self._masked, self._counts = self._begin(batch)
        return ()

    def _begin(self, batch: HeteroBatch) -> tuple[Masked, Tensor]:
        """Return the masked batch, and the counts of masked nodes of its step. [3] float32."""
        masked = self._masked_batch(batch)
        return masked, self.updater.counts([masked]) if self.accumulate == 1 else self._whole

    def _masked_batch(self, batch: HeteroBatch) -> Masked:
        self.updater.optimizer.zero_grad(set_to_none=True)
        return mask_batch_with(batch, self.masks, self.bases)

    def _backward(self, masked: Masked, counts: Tensor | None, rooms: Rooms) -> Tensor:
        """Run both passes; return the tally without a gradient.

        Args:
            masked: the batch.
            counts: [3] float, masked nodes of all processes; None for those of the batch.
            rooms: of the program.
        """
        tally = self.updater.tally(masked, rooms)
        counts = tally.detach()[:, COUNT] if counts is None else counts
        torch.autograd.backward(tally, self.updater.scaler.scale(loss_weights(counts)))
        return tally.detach()

    def _sum_counts(self) -> None:
        if self.accumulate == 1:
            self.updater.processes.sum_in_place(self._counts)

    def _gradients(self, batch: HeteroBatch, rooms: Rooms, halted: Tensor) -> tuple[Tensor, ...]:
        """Put gradients, tally, and whether the batch did not fit into one array.

        Gradients and tally have those of earlier parts added to them.
        """
        assert self._masked is not None
        tally = self._backward(self._masked, self._counts, rooms)
        weights = self.updater.named.values()
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in weights]
        parts = [*grads, tally, rooms.overflow().float()]
        self._sums = torch.cat([part.reshape(-1) for part in parts])
        if self.accumulate > 1:
            self._sums[:-1].add_(self._kept)
        return ()

    def _sum_gradients(self) -> None:
        """Sum over processes, after each part whether it did not fit: all halt at the same one."""
        self.updater.processes.sum_in_place(self._sums if self._is_last else self._sums[-1:])

    def _summed(self, batch: HeteroBatch, rooms: Rooms, halted: Tensor) -> tuple[Tensor, ...]:
        """Update with the sums of all processes."""
        weights = list(self.updater.named.values())
        sizes = [p.numel() for p in weights]
        *grads, tally, overflow = torch.split(self._sums, [*sizes, len(TERMS) * 3, 1])
        for parameter, grad in zip(weights, grads, strict=True):
            if parameter.grad is not None:  # else no pass reaches it
                parameter.grad = grad.view_as(parameter)
        halted.logical_or_((overflow > 0).squeeze(0))
        if self.accumulate == 1:
            return tally.view(len(TERMS), 3), self._update(halted)
        kept = torch.where(self._last, 0.0, self._sums[:-1])
        self._kept.copy_(torch.where(halted, self._kept, kept))
        return tally.view(len(TERMS), 3), self._update(halted | ~self._last)

    def _update(self, halted: Tensor) -> Tensor:
        """Update weights, average and scale unless this part must not; return the gradient norm.

        An infinite gradient under a loss scale changes no weight.
        """
        u, infinite = self.updater, None
        if u.scaler.is_enabled():
            infinite = unscale_gradients(u.scaler, u.named.values())
        norm = gradient_norm(u.named.values())
        if u.options.clip:
            clip_gradients(u.named.values(), norm, u.options.clip)
        skips = halted.float() if infinite is None else torch.maximum(halted.float(), infinite)
        u.optimizer.found_inf = skips  # type: ignore[attr-defined]
        u.optimizer.step()
        if infinite is not None:
            update_scale(u.scaler, infinite, unless=halted)
        if u.average is not None:
            u.average.update(unless=halted)
        return norm

    @torch.no_grad()
    def _measure(self, batch: HeteroBatch, rooms: Rooms) -> None:
        masked = mask_batch_with(batch, self.masks, self.bases)
        self.encoder.search_states(masked.batch, rooms)


def why_not(updater: PretrainUpdater) -> str:
    """Return why a run's steps are no fixed program; '' if they are."""
    network = updater.network
    assert isinstance(network, PretrainNetwork)
    if updater.device.type != "cuda":
        return f"CUDA graphs need a GPU, and this run is on {updater.device}"
    if not network.searches_on(updater.device):
        return "--dedup never computes every row"
    return ""
