"""Out of memory: how many graphs would fit, found by trying."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from pepland_data.errors import InputError
from pepland_data.graph.columns import GROUPS
from pepland_model.run.config import TrainConfig
from pepland_model.train.mask import Masked


class OutOfMemoryError(InputError, MemoryError):
    """A step needs more memory than there is; the message says what would fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error is a device or host that has no more memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def largest_fit(trial: Callable[[int], None], graphs: int) -> int:
    """Return how many graphs a step has memory for: half, a quarter, ... of what failed; or 0.

    Args:
        trial: does forward and backward pass of so many graphs, or fails.
        graphs: that failed.
    """
    count = graphs // 2
    while count:
        free_memory()
        try:
            trial(count)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            count //= 2
        else:
            return count
    return 0


def first_graphs(masked: Masked, graphs: int) -> Masked:
    """Return the first graphs of a masked batch, a batch of its own."""
    batch = masked.batch
    ends = {group: int(getattr(batch, f"{group}_ptr")[graphs]) for group in GROUPS}
    cut = {name: getattr(batch, name)[: ends[g]] for g, names in GROUPS.items() for name in names}
    ptrs = {f"{group}_ptr": getattr(batch, f"{group}_ptr")[: graphs + 1] for group in GROUPS}
    return Masked(
        replace(batch, graph_index=batch.graph_index[:graphs], **ptrs, **cut),
        masked.atom_target[: ends["atom"]],
        masked.fragment_masked[: ends["fragment"]],
        masked.fragment_code[: ends["fragment"]],
        masked.bond_target[: ends["bond"]],
    )


def free_memory() -> None:
    """Give cached blocks of the device back."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def parts_for(batch_size: int, processes: int, fit: int) -> int | None:
    """Return the fewest parts of at most `fit` graphs a process can take its share in."""
    share = batch_size // processes
    return next((n for n in range(1, share + 1) if share % n == 0 and share // n <= fit), None)


def sentence(
    config: TrainConfig, processes: int, device: torch.device, part: int, fit: int, why: str
) -> str:
    """Return what happened and what to do.

    Args:
        config: the run.
        processes: of the run.
        device: that is full.
        part: graphs that were too many.
        fit: graphs that were tried and fit; 0 for none.
        why: the system's own words.
    """
    told = f"out of memory on {device} with parts of {part} graphs"
    parts = parts_for(config.data.batch_size, processes, fit) if fit else None
    if parts is None:
        remedy = "one graph alone does not fit either; try --activation-checkpointing, bf16, or a "
        return f"{told}; {remedy}smaller model ({why})"
    return (
        f"{told}; {fit} were tried and fit: --accumulate {parts} gives the same losses with parts "
        f"of {config.data.batch_size // processes // parts}, and the same command goes on from "
        f"the last checkpoint ({why})"
    )
