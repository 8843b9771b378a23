"""The branches of a program for a card, run without a card: tensors have shapes and no memory.

What a program launches, and the memory that it needs, depends on shapes only. They are seen here
on any machine, in a fraction of a second, for batches of any size. Tensors are the fake tensors of
PyTorch. A program that reads a value of a tensor ends in an error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from pepland_model.network import takers
from pepland_model.network.kernels import devices as kernels

HOME = "pepland_model.network.kernels."
CARDS = {"cpu", "cuda"}
Launched = Callable[[Any], None]


@contextmanager
def dry_card(launched: Launched) -> Iterator[None]:
    """Take the branches for a card; what is made inside has no memory.

    Args:
        launched: called with all arguments of each launch of a Triton kernel, which does not run.
    """
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(dry_triton(launched) if is_installed() else stand_in(launched))
        enter(patch.object(kernels, "DEVICES", CARDS))
        enter(patch.object(takers, "DEVICES", CARDS))
        # Fake tensors are not on the list of types for which many weights take one launch.
        enter(patch.object(torch.nn.utils.clip_grad, "_has_foreach_support", lambda *_: True))
        enter(FakeTensorMode(allow_non_fake_inputs=True))
        yield


def is_installed() -> bool:
    """Return whether there is a Triton that has the kernels' language."""
    return kernels._installed()


@contextmanager
def dry_triton(launched: Launched) -> Iterator[None]:
    """Report launches of Triton kernels in place of running them."""
    from triton.runtime.interpreter import InterpretedFunction
    from triton.runtime.jit import JITFunction

    def launch(kernel: Any, *args: Any, **named: Any) -> None:
        launched([*args, *named.values()])

    with ExitStack() as stack:
        for kind in (InterpretedFunction, JITFunction):
            stack.enter_context(patch.object(kind, "run", launch))
        yield


@contextmanager
def stand_in(launched: Launched) -> Iterator[None]:
    """Let modules of kernels be imported without Triton; forget them afterwards."""
    language = _Language("triton.language")
    language.constexpr = _Constant
    module = ModuleType("triton")
    contents = {"language": language, "jit": _jit(launched), "cdiv": lambda a, b: -(-a // b),
                "next_power_of_2": lambda n: 1 << (n - 1).bit_length()}  # fmt: skip
    vars(module).update(contents)
    modules = {"triton": module, "triton.language": language}
    before = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        with patch.object(kernels, "_installed", lambda: True):
            yield
    finally:  # what else was imported meanwhile stays
        made = [n for n in sys.modules if n.startswith(HOME) and n != kernels.__name__]
        for name in [*made, *modules]:
            del sys.modules[name]
        sys.modules.update(before)


class _Language(ModuleType):
    """Has every name: kernels are read when they are imported, and never run."""

    constexpr: Any

    def __getattr__(self, name: str) -> Any:
        return name


class _Constant:
    """A constant of a kernel."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _jit(launched: Launched) -> Callable[..., Any]:
    """Return what stands in for ``triton.jit``, with or without arguments."""

    class Kernel:
        def __getitem__(self, grid: Any) -> Callable[..., None]:
            return lambda *args, **named: launched([*args, *named.values()])

    def jit(function: Any = None, **options: Any) -> Any:
        return Kernel() if function is not None else lambda function: Kernel()

    return jit
