"""One process or many under ``torchrun``: who am I, and sums over all ranks.

Gradients are summed in one flat buffer (26 MB) after the backward pass. Since every loss is already
divided by the global number of masked nodes, the sum is the gradient of the global batch exactly,
whatever share of it each rank held, also none. `DistributedDataParallel` would average instead, and
stumbles over the weights of a view that a configuration does not compute.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pepland_data.errors import InputError


@dataclass(frozen=True)
class World:
    """The processes of a run."""

    rank: int
    """This process, 0..size-1."""
    size: int
    """How many there are."""
    device: torch.device
    """Where this one computes."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks, in a new tensor."""
        total = values.detach().clone()
        if self.size > 1:
            dist.all_reduce(total)
        return total

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any rank; waits for the device where there are many."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    def barrier(self) -> None:
        """Wait for all."""
        if self.size > 1:
            dist.barrier()

    @torch.no_grad()
    def sum_gradients(self, parameters: Iterable[nn.Parameter], extra: Tensor) -> Tensor:
        """Replace gradients by their sum over ranks, and return the sum of `extra` likewise.

        A rank without a gradient counts as zero. A parameter without a gradient anywhere gets
        zeros, which Adam leaves where it is. One collective call carries everything.
        """
        if self.size == 1:
            return extra
        chosen = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in chosen]
        flat = torch.cat([g.reshape(-1) for g in [*gradients, extra]])
        dist.all_reduce(flat)
        start = 0
        for parameter in chosen:
            stop = start + parameter.numel()
            parameter.grad = flat[start:stop].view_as(parameter)
            start = stop
        return flat[start:].view_as(extra).clone()


def pick_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device that ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` means here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise InputError(f"device {name!r} was asked for but torch sees no CUDA GPU; use cpu")
        index = local_rank if device.index is None else device.index
        if index >= torch.cuda.device_count():
            raise InputError(
                f"cuda:{index} was asked for; there are {torch.cuda.device_count()} GPUs"
            )
        torch.cuda.set_device(index)
        return torch.device("cuda", index)
    if device.type != "cpu":
        raise InputError(f"device {name!r} is not supported; use cpu or cuda")
    return device


def start(device: str = "auto") -> World:
    """Join the processes that ``torchrun`` started; one process where there is no torchrun."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = pick_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1:
        return World(0, 1, chosen)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return World(dist.get_rank(), size, chosen)


def stop() -> None:
    """Leave the group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()
