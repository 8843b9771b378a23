"""Operators, host reads, sorts, bytes and FLOPs of a program, counted while it runs.

The counts do not depend on the machine. They say what a card has to do, not how long it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pepland_model.measure.live_memory import LiveMemory
from pepland_model.measure.roofline import work

aten = torch.ops.aten
NO_LAUNCH = {aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty,
             aten.new_empty_strided, aten._unsafe_view, aten.lift_fresh, aten.resize_,
             aten.set_}  # fmt: skip
"""Operators besides views that only reserve memory, or change shapes."""
READS = {aten._local_scalar_dense, aten.nonzero, aten._unique2, aten.unique_dim,
         aten.unique_consecutive, aten.masked_select, aten.equal, aten.bincount}  # fmt: skip
"""Operators after which the host waits on CUDA: for a value, or for the size of the result."""
SORTS = {aten.sort, aten.topk, aten.kthvalue, aten._unique2, aten.unique_dim,
         aten.embedding_dense_backward, aten._embedding_bag_dense_backward}  # fmt: skip
"""Operators that sort on CUDA."""
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_,
            aten._unsafe_index, aten._unsafe_index_put}  # fmt: skip
BACKWARD = "backward"
P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Counts:
    """What one part of a program does."""

    operators: int = 0
    """Operators that launch work; one may launch several kernels."""
    host_reads: int = 0
    """Operators after which the host waits for a value or a size."""
    sorts: int = 0
    """Operators that sort, outside of the backward pass."""
    sorts_backward: int = 0
    """Operators that sort in the backward pass, most of them to sum a gradient by index."""
    bytes: int = 0
    """Read and written: each tensor once per operator; of a gather, the rows it reads."""
    flops: int = 0
    """Of matrix products."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, times: int) -> Counts:
        return Counts(*(getattr(self, f.name) * times for f in fields(self)))


class OperatorCounter(TorchDispatchMode):
    """Counts the operators that run inside ``with OperatorCounter(...) as c:``, by part.

    Args:
        parts: names of the parts.
        default: the part of what runs inside of no `within`.
        memory: told of every tensor that an operator returns.
    """

    def __init__(self, *parts: str, default: str, memory: LiveMemory | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.part, self.memory = default, memory
        self.parts = {part: Counts() for part in parts}

    def clear(self) -> None:
        """Count from zero again."""
        self.parts = {part: Counts() for part in self.parts}

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        """Count what runs inside for this part."""
        outer, self.part = self.part, part
        try:
            yield
        finally:
            self.part = outer

    def as_part(self, part: str, function: Callable[P, R]) -> Callable[P, R]:
        """Return the function, whose operators are counted for this part."""
        return self.within(part)(function)

    def launched(self, arguments: Any) -> None:
        """Count the launch of a kernel: an operator that reads or writes each array once."""
        arrays = {id(a): a for a in tree_leaves(arguments) if isinstance(a, Tensor)}
        moved = sum(a.numel() * a.element_size() for a in arrays.values())
        self.parts[self.part] += Counts(operators=1, bytes=moved)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and count it."""
        out = func(*args, **(kwargs or {}))
        if self.memory is not None:
            self.memory.note(out, self.part)
        if launches(func):
            self._count(func._overloadpacket, args, kwargs or {}, out)
        return out

    def _count(self, packet: Any, args: Any, kwargs: Any, out: Any) -> None:
        flops, moved = work(packet, args, kwargs, out)
        reads, sorts = int(is_read(packet, args, kwargs)), int(is_sort(packet, args, kwargs))
        by_pass = (0, sorts) if self.part == BACKWARD else (sorts, 0)
        self.parts[self.part] += Counts(1, reads, *by_pass, moved, int(flops))


def launches(func: Any) -> bool:
    """Return whether an operator does work: not views, reserved memory, questions and marks."""
    idle = func.is_view or func._overloadpacket in NO_LAUNCH
    return func.namespace not in ("profiler", "prim") and not idle


def is_read(packet: Any, args: Any, kwargs: Any) -> bool:
    """Return whether the host waits for the result of an operator on CUDA."""
    if packet in INDEXING:
        return any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in args[1])
    if packet is aten.repeat_interleave:
        return kwargs.get("output_size") is None
    return packet in READS


def is_sort(packet: Any, args: Any, kwargs: Any) -> bool:
    """Return whether an operator sorts on CUDA; sums by index (`accumulate`) do."""
    if packet in INDEXING:
        return bool(kwargs.get("accumulate", args[3] if len(args) > 3 else False))
    return packet in SORTS
