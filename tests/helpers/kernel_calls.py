"""The calls of Triton kernels, recorded in the interpreter and compiled for a card without one."""

from __future__ import annotations

import importlib
from typing import Any

import torch

TYPES = {
    torch.float64: "*fp64", torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16",
    torch.int64: "*i64", torch.int32: "*i32", torch.int16: "*i16", torch.int8: "*i8",
    torch.uint8: "*u8", torch.bool: "*i1",
}  # fmt: skip
OPTIONS = ("num_warps", "num_stages")
Call = tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]


def call_of(function: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Call:
    """Return module, name, types, constants and options of a call."""
    import triton.language as tl

    options = {key: named.pop(key) for key in OPTIONS if key in named}
    values = dict(zip(function.arg_names, arguments, strict=False)) | named
    annotations = function.fn.__annotations__
    types, constants = {}, {}
    for name in function.arg_names:
        value = values[name]
        if annotations.get(name) in (tl.constexpr, "tl.constexpr"):
            types[name] = "constexpr"
            constants[name] = str(value) if isinstance(value, tl.dtype) else value
        elif isinstance(value, torch.Tensor):
            types[name] = TYPES[value.dtype]
        elif isinstance(value, float):
            types[name] = "fp32"
        else:
            types[name] = "i32" if abs(value) < 2**31 else "i64"
    return function.fn.__module__, function.fn.__name__, types, constants, options


def compile_call(call: Call, capability: int) -> int:
    """Compile a call for a card; return the bytes of its program. Raises where it is not valid."""
    import triton
    import triton.language as tl
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    module, name, types, constants, options = call
    function = getattr(importlib.import_module(module), name)
    known = {
        key: getattr(tl, {"fp32": "float32", "fp64": "float64"}[value])
        if value in ("fp32", "fp64")
        else value
        for key, value in constants.items()
    }
    source = ASTSource(function, types, known)
    target = GPUTarget("cuda", capability, 32)
    return len(triton.compile(source, target=target, options=options).asm["cubin"])
