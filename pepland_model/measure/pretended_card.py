"""Tensors of the CPU that say they are on a card, so that a program takes its branches for CUDA.

What a program computes, and what it reads back to the host, is then seen on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from pepland_model.measure.operator_counts import OperatorCounter

CARD = torch.device("cuda", 0)
CPU = torch.device("cpu")
GETTERS: dict[Any, Callable[[bool], Any]] = {
    Tensor.device: lambda on_card: CARD if on_card else CPU,
    Tensor.is_cuda: lambda on_card: on_card,
    Tensor.is_cpu: lambda on_card: not on_card,
}
MOVES = (Tensor.to, Tensor.cpu)
_MARK = "_pretends_to_be_on_a_card"
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class PretendedCard(TorchFunctionMode):
    """Inside of it, what is made with ``device="cuda"`` or from tensors on the card is on it.

    Kernels are those of the CPU. A copy between card and host is one `clone`.

    Args:
        counter: told of the reads that no operator shows (copies to the host, `tolist`), and paused
            while the host works on tensors of its own.
    """

    def __init__(self, counter: OperatorCounter) -> None:
        super().__init__()
        self.counter = counter
        self.holds_all = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of torch on the CPU; its result is where that of CUDA would be."""
        kwargs = kwargs or {}
        was_there = any(self._holds(leaf) for leaf in tree_leaves((args, kwargs)))
        getter = GETTERS.get(getattr(func, "__self__", None))
        if getter is not None:
            return getter(was_there)
        asked = CPU if func is Tensor.cpu else asked_device(args, kwargs)
        is_there = was_there if asked is None else asked.type == "cuda"
        with nullcontext() if was_there or is_there else self.counter.paused():
            out = func(*tree_map(on_cpu, args), **tree_map(on_cpu, kwargs))
            if func in MOVES and was_there != is_there:
                out = out.clone()
        if was_there and (func is Tensor.tolist or (func in MOVES and not is_there)):
            self.counter.read()
        return on_card(out) if is_there else out

    def holding_all(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return a function during which every tensor is on the card.

        For passes of autograd and updates: gradients are handed out without a mark, optimizers and
        clipping ask C++ for devices, and torch leaves a mode where it runs a backward pass.
        """

        @wraps(function)
        def held(*args: P.args, **kwargs: P.kwargs) -> R:
            groups = patch.object(torch._C, "_group_tensors_by_device_and_dtype", grouped)
            inside = nullcontext() if torch._C._is_torch_function_mode_enabled() else self
            with patch.object(self, "holds_all", True), groups, inside:
                return function(*args, **kwargs)

        return held

    def _holds(self, value: Any) -> bool:
        return isinstance(value, Tensor) and (self.holds_all or hasattr(value, _MARK))


def on_card(values: T) -> T:
    """Mark all tensors in nested values, modules and batches as on the card; return the values."""
    for leaf in tree_leaves(values):
        if isinstance(leaf, Tensor):
            setattr(leaf, _MARK, True)
    return values


def batch_on_card(batch: T) -> T:
    """Mark all arrays of a batch, and of its tables, as on the card; return the batch."""
    for field in fields(batch):  # type: ignore[arg-type]
        value = getattr(batch, field.name)
        if field.name == "tables":
            batch_on_card(value)
        on_card(value)
    return batch


def asked_device(args: Any, kwargs: Any) -> torch.device | None:
    """Return the device that the arguments of a function name, None if they name none."""
    named = [v for v in (*args, kwargs.get("device")) if isinstance(v, (torch.device, str))]
    devices = [
        v for v in named if isinstance(v, torch.device) or v.split(":")[0] in ("cuda", "cpu")
    ]
    return torch.device(devices[0]) if devices else None


def on_cpu(value: Any) -> Any:
    """Return the CPU in place of a card, and everything else as it is."""
    is_card = (
        str(value).split(":")[0] == "cuda" if isinstance(value, (torch.device, str)) else False
    )
    return CPU if is_card else value


def grouped(lists: Any, with_indices: bool = False) -> dict[Any, Any]:
    """Return lists of tensors by dtype, as of one card; what torch's own function returns."""
    return {(CARD, dtype): group for (_, dtype), group in _grouped(lists, with_indices).items()}


_grouped = torch._C._group_tensors_by_device_and_dtype
