"""Cross entropy of distinct states, with how often each has each label: all heads in a launch.

Labels are counted in integers, by atomic additions. Sums of floats have one fixed order.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.jobs import TL, device_of, sum_dtype

BLOCK = 256
"""Nodes whose labels a program counts."""
ROWS = 4
"""States that a program handles at a time."""
PROGRAMS = 256
"""Programs of a head, each of which adds up its states."""


class Head(NamedTuple):
    """One head: up to three of them share a launch."""

    logits: Tensor
    """[K, classes]."""
    counts: Tensor
    """[K * classes, or more] int32, nodes with each state and label."""
    rows: Tensor
    """[N] int64, state of each node."""
    target: Tensor
    """[N] int64, label of each node, or a number that says that it has none."""
    to_logits: Tensor
    """[K, classes], gradient of the logits."""
    classes: Any


@triton.jit(do_not_specialize=["size0", "size1", "size2"])
def _count(heads, size0, size1, size2, N: tl.constexpr, IGNORE: tl.constexpr, BLOCK: tl.constexpr):
    sizes = (size0, size1, size2)
    for i in tl.static_range(N):
        head = heads[i]
        if tl.program_id(1) == i:
            node = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
            live = node < sizes[i]
            label = tl.load(head.target + node, mask=live, other=IGNORE).to(tl.int64)
            asked = live & (label != IGNORE)
            state = tl.load(head.rows + node, mask=asked, other=0).to(tl.int64)
            tl.atomic_add(head.counts + state * head.classes + label, 1, mask=asked)


@triton.jit
def _states(head, row, size, C: tl.constexpr, ACC: tl.constexpr):
    """Return logits, label counts and places of some states, and which of these exist."""
    cols = tl.arange(0, C)[None, :]
    at = row.to(tl.int64)[:, None] * head.classes + cols
    inside = (row < size)[:, None] & (cols < head.classes)
    logit = tl.load(head.logits + at, inside, 0).to(ACC)
    logit = tl.where(cols < head.classes, logit, float("-inf"))
    return logit, tl.load(head.counts + at, inside, 0).to(ACC), at, inside


@triton.jit(do_not_specialize=["size0", "size1", "size2"])
def _add(heads, size0, size1, size2, parts, N: tl.constexpr, PROGRAMS: tl.constexpr,
         R: tl.constexpr, C: tl.constexpr, ACC: tl.constexpr):  # fmt: skip
    """Write loss, correct predictions and labels of the states of each program."""
    sizes = (size0, size1, size2)
    for i in tl.static_range(N):
        head = heads[i]
        if tl.program_id(1) == i:
            first = tl.program_id(0) * R
            loss, right, total = tl.zeros([R], ACC), tl.zeros([R], ACC), tl.zeros([R], ACC)
            while first < sizes[i]:
                row = first + tl.arange(0, R)
                logit, count, _, inside = _states(head, row, sizes[i], C, ACC)
                top = tl.max(logit, 1)[:, None]
                norm = top + tl.log(tl.sum(tl.exp(logit - top), 1))[:, None]
                loss += tl.sum(count * tl.where(inside, norm - logit, 0.0), 1)
                cols = tl.arange(0, C)[None, :]
                best = tl.min(tl.where(logit == top, cols, C), 1)[:, None]
                right += tl.sum(tl.where(cols == best, count, 0.0), 1)
                total += tl.sum(count, 1)
                first += PROGRAMS * R
            to = parts + (tl.program_id(1) * PROGRAMS + tl.program_id(0)) * 3
            tl.store(to, tl.sum(loss, 0))
            tl.store(to + 1, tl.sum(right, 0))
            tl.store(to + 2, tl.sum(total, 0))


@triton.jit(do_not_specialize=["size0", "size1", "size2"])
def _gradient(heads, size0, size1, size2, grad, STRIDE: tl.constexpr, N: tl.constexpr,
              R: tl.constexpr, C: tl.constexpr, ACC: tl.constexpr):  # fmt: skip
    """Write the gradient of the logits."""
    sizes = (size0, size1, size2)
    for i in tl.static_range(N):
        head = heads[i]
        if tl.program_id(1) == i:
            row = tl.program_id(0) * R + tl.arange(0, R)
            logit, count, at, inside = _states(head, row, sizes[i], C, ACC)
            power = tl.exp(logit - tl.max(logit, 1)[:, None])
            share = power / tl.sum(power, 1)[:, None]
            slope = share * tl.sum(count, 1)[:, None] - count
            tl.store(head.to_logits + at, slope * tl.load(grad + i * STRIDE).to(ACC), inside)


def label_loss(
    logits: Sequence[Tensor], rows: Sequence[Tensor], targets: Sequence[Tensor], ignore: int
) -> Tensor:
    """Return loss sum, correct predictions and labels of each head. [heads, 3] float32.

    The first column has a gradient. Two launches, and one in the backward pass.

    Args:
        logits: [K, classes] of each head, any float dtype; at most three heads.
        rows: [N] int64, state of each node.
        targets: [N] int64, label of each node.
        ignore: label of nodes without one.
    """
    found: Tensor = _LabelLoss.apply(rows, targets, ignore, *logits)
    return found


class _LabelLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Any, targets: Any, ignore: int, *logits: Tensor) -> Tensor:
        logits = tuple(part.contiguous() for part in logits)
        sizes = [-(-part.numel() // 64) * 64 for part in logits]  # so that all are aligned
        counts = torch.zeros(sum(sizes), dtype=torch.int32, device=logits[0].device).split(sizes)
        heads = _heads(logits, counts, rows, targets, logits)
        acc = sum_dtype(*logits)
        parts = logits[0].new_empty((len(logits), PROGRAMS, 3), dtype=acc)
        nodes = max(map(len, rows))
        with device_of(parts):
            if nodes:
                _count[(triton.cdiv(nodes, BLOCK), len(heads))](
                    heads, *_three(rows), N=len(heads), IGNORE=ignore, BLOCK=BLOCK
                )
            _add[(PROGRAMS, len(heads))](
                heads, *_three(logits), parts, PROGRAMS=PROGRAMS, **_fixed(logits, acc)
            )
        ctx.save_for_backward(*logits, *counts)
        return parts.sum(1).float()

    @staticmethod
    @once_differentiable  # type: ignore[misc, no-untyped-call, untyped-decorator, unused-ignore]
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        number = len(ctx.saved_tensors) // 2
        logits, counts = ctx.saved_tensors[:number], ctx.saved_tensors[number:]
        found = [torch.empty_like(part) for part in logits]
        heads = _heads(logits, counts, counts, counts, found)
        grid = triton.cdiv(max(map(len, logits)), ROWS), number
        if grid[0]:
            with device_of(logits[0]):
                _gradient[grid](
                    heads, *_three(logits), grads[0], STRIDE=grads[0].stride(0),
                    **_fixed(logits, sum_dtype(*logits)),
                )  # fmt: skip
        return None, None, None, *found


def _heads(*parts: Sequence[Tensor]) -> tuple[Head, ...]:
    """Return the heads from their logits and the other arrays, in the order of `Head`."""
    heads: list[Any] = list(zip(*parts, strict=True))
    return tuple(Head._make([*head, tl.constexpr(head[0].shape[1])]) for head in heads)


def _three(tensors: Sequence[Tensor]) -> list[int]:
    """Return the rows of up to three tensors."""
    return [*map(len, tensors), 0, 0][:3]


def _fixed(logits: Sequence[Tensor], acc: torch.dtype) -> dict[str, Any]:
    """Return what is fixed when the kernels are compiled."""
    columns = max(part.shape[1] for part in logits)
    return {"N": len(logits), "R": ROWS, "C": triton.next_power_of_2(columns), "ACC": TL[acc]}
