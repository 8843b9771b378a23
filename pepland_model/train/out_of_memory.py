"""Out of memory: find out by trial how many graphs fit, and say what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from pepland_data.errors import InputError
from pepland_data.graph.columns import GROUPS
from pepland_model.run.config import TrainConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.mask import Masked


class OutOfMemoryError(InputError, MemoryError):
    """A step needs more memory than there is; the message says what to try."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that a device or the host has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def largest_fit(trial: Callable[[int], None], graphs: int) -> int:
    """Return a number of graphs that fits: a half, a quarter, ... of what failed; 0 if none does.

    Args:
        trial: runs forward and backward pass of that many graphs, or fails.
        graphs: number of graphs that failed.
    """
    count = graphs // 2
    while count:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
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
    """Return the first graphs of a masked batch as a batch."""
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


def parts_for(batch_size: int, processes: int, fit: int) -> int | None:
    """Return the smallest number of parts per process with at most `fit` graphs in a part."""
    share = batch_size // processes
    return next((n for n in range(1, share + 1) if share % n == 0 and share // n <= fit), None)


def step_message(
    config: TrainConfig, processes: ProcessGroup, part: int, fit: int, reason: str
) -> str:
    """Return the message for a training step that ran out of memory.

    Args:
        config: the run.
        processes: processes of the run.
        part: graphs per part, too many.
        fit: graphs per part that were tried and fit; 0 for none.
        reason: message of the system.
    """
    start = f"out of memory on {processes.device} with parts of {part} graphs"
    parts = parts_for(config.data.batch_size, processes.size, fit) if fit else None
    if parts is None:
        return (
            f"{start}; one graph alone does not fit either; try --activation-checkpointing, bf16, "
            f"or a smaller model ({reason})"
        )
    return (
        f"{start}; {fit} were tried and fit: --accumulate {parts} gives the same losses with parts "
        f"of {config.data.batch_size // processes.size // parts}, and the same command resumes "
        f"from the last checkpoint ({reason})"
    )


def general_message(config: TrainConfig, processes: ProcessGroup, error: Exception) -> str:
    """Return the message for memory that ran out outside of a training step."""
    part = max(1, config.data.batch_size // (processes.size * config.data.accumulate))
    return (
        f"out of memory on {processes.device} with parts of {part} graphs; try --accumulate "
        f"{2 * config.data.accumulate}: the same losses with parts of {max(1, part // 2)}, and "
        f"the same command resumes from the last checkpoint ({first_line(error)})"
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
