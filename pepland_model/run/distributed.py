"""The processes of a run under ``torchrun``, and sums over all of them.

Gradients are summed in one flat buffer (26 MB) after the backward pass. Every loss is already
divided by the number of masked nodes in the global batch, so the sum is the gradient of the global
batch, whatever share of it each rank had. `DistributedDataParallel` would average instead, and
fails on weights that get no gradient, such as those of a view that is not computed.
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
class ProcessGroup:
    """This process and the others of the same run."""

    rank: int
    """Number of this process, 0..size-1."""
    size: int
    """Number of processes."""
    device: torch.device
    """Device of this process."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and the progress line."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all ranks, as a new tensor."""
        total = values.detach().clone()
        if self.size > 1:
            dist.all_reduce(total)
        return total

    def sum_in_place(self, values: Tensor) -> None:
        """Replace a tensor by its sum over all ranks."""
        if self.size > 1:
            dist.all_reduce(values)

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any rank. With several ranks, the host waits."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        if self.size > 1:
            dist.barrier()

    @torch.no_grad()
    def sum_gradients(self, parameters: Iterable[nn.Parameter], extra: Tensor) -> Tensor:
        """Replace gradients by their sum over all ranks, and return the sum of `extra`.

        A missing gradient counts as zero; Adam does not move a parameter whose gradient is zero on
        all ranks. There is one collective call for everything.
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
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise InputError(f"device {name!r} was asked for, but torch sees no CUDA GPU; use cpu")
        index = local_rank if device.index is None else device.index
        if index >= torch.cuda.device_count():
            raise InputError(
                f"cuda:{index} was asked for, but there are {torch.cuda.device_count()} GPUs; use "
                "a lower number or fewer processes"
            )
        torch.cuda.set_device(index)
        return torch.device("cuda", index)
    if device.type != "cpu":
        raise InputError(f"device {name!r} is not supported; use cpu or cuda")
    return device


def start(device: str = "auto") -> ProcessGroup:
    """Join the processes that ``torchrun`` started; without torchrun there is one process."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = pick_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1:
        return ProcessGroup(0, 1, chosen)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return ProcessGroup(dist.get_rank(), size, chosen)


def stop() -> None:
    """Leave the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()
