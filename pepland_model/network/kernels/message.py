"""relu(x[code] + a[source] - b[reverse]) for each edge, in one kernel."""

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.gather_sum import gather_sum, warps_for

if TYPE_CHECKING:
    from pepland_model.network.takers import Index


@triton.jit
def _forward(
    x, a, b, code, source, reverse, out, count, width, COLUMNS: tl.constexpr, TILE: tl.constexpr
):
    edge = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    used = edge < count
    columns = tl.arange(0, COLUMNS)
    inside = used[:, None] & (columns < width)[None, :]
    total = _taken(x, code, edge, used, columns, inside, width)
    total += _taken(a, source, edge, used, columns, inside, width)
    total -= _taken(b, reverse, edge, used, columns, inside, width)
    cells = edge[:, None] * width + columns[None, :]
    tl.store(out + cells, tl.maximum(total, 0.0), mask=inside)


@triton.jit
def _taken(rows, index, edge, used, columns, inside, width):
    row = tl.load(index + edge, mask=used, other=0).to(tl.int64)
    values = tl.load(rows + row[:, None] * width + columns[None, :], mask=inside, other=0.0)
    return values.to(tl.float64) if values.dtype == tl.float64 else values.to(tl.float32)


class _Message(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, a: Tensor, b: Tensor, code: "Index", source: "Index", reverse: "Index"
    ) -> Tensor:
        count, width = len(source[0]), a.shape[1]
        out = a.new_empty(count, width)
        ctx.takers = code[1], source[1], reverse[1]
        ctx.dtypes = x.dtype, a.dtype, b.dtype
        if count:
            columns = triton.next_power_of_2(width)
            _forward[(triton.cdiv(count, 4),)](
                x, a, b, code[0], source[0], reverse[0], out, count, width, COLUMNS=columns,
                TILE=4, num_warps=warps_for(columns),
            )  # fmt: skip
        ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (out,) = ctx.saved_tensors
        grad = grads[0].contiguous()
        parts = zip(ctx.takers, (1, 1, -1), ctx.dtypes, strict=True)
        sums = [gather_sum(grad, t, gate=out, sign=s, dtype=kind) for t, s, kind in parts]
        return (*sums, None, None, None)


def message(
    x: Tensor, a: Tensor, b: Tensor, code: "Index", source: "Index", reverse: "Index"
) -> Tensor:
    """Return relu(x[code] + a[source] - b[reverse]). [L, d], of the dtype of `a`.

    Args:
        x: [T, d].
        a: [K, d].
        b: [M, d].
        code: [L] int, row of `x`, with its takers, as are the other two.
        source: [L] int, row of `a`.
        reverse: [L] int, row of `b`.
    """
    out: Tensor = _Message.apply(
        x.contiguous(), a.contiguous(), b.contiguous(), code, source, reverse
    )
    return out
