"""Messages and residuals by kernels against the plain operators."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.kernels.test_sums import (
    DEVICE,
    assert_same,
    known,
    normal,
    ragged,
    run_kernels,
    segments,
)

pytest.importorskip("triton")
__all__ = ["run_kernels"]


@pytest.mark.parametrize("edges", [90, 3, 0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_messages_have_the_plain_values_and_gradients(run_kernels, edges, dtype) -> None:
    from pepland_model.network.kernels.message import message

    wide = torch.float64 if dtype == torch.float64 else torch.float32
    tables = normal(3, 10, dtype=wide), normal(6, 10, dtype=dtype), normal(8, 10, dtype=dtype)
    shares = zip(tables, (0.9, 0, 0.3), strict=True)
    indices = [ragged(edges, len(table), heavy) for table, heavy in shares]
    x, a, b = (table.double()[index] for table, index in zip(tables, indices, strict=True))
    found = message(*tables, *map(known, indices, map(len, tables)))
    assert found.dtype == dtype
    # The kernel and the plain operators agree on where the ReLU is open, unless it is rounding.
    bound = {torch.float64: 1e-12, torch.float16: 2e-2, torch.bfloat16: 2e-2}[dtype]
    assert_same(found, (x + a - b).relu(), *tables, bound=bound)


def plain_residual(
    rows: Tensor, taken: list[tuple[Tensor, Tensor | None]], ptr: Tensor | None
) -> Tensor:
    for table, index in taken:
        rows = rows + (table if index is None else table[index])
    if ptr is None:
        return rows
    return rows * (ptr.diff() > 0).to(rows.dtype).unsqueeze(1)


@pytest.mark.parametrize("sizes", [(0, 3, 1, 0, 2), (0,) * 40 + (1, 2) * 30, (0,)])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("code", [True, False])
@pytest.mark.parametrize("every", [True, False])
def test_residuals_have_the_plain_values_and_gradients(
    run_kernels, sizes, own, code, every
) -> None:
    from pepland_model.network.kernels.residual import residual

    (ptr, _), nodes = segments(*sizes), len(sizes)
    ptr = None if every else ptr
    rows, table = normal(nodes, 6), normal(4, 6)
    index = ragged(nodes, 4, 0.9) if own else None
    taken = [(table if own else normal(nodes, 6), index)]
    if code:
        taken.append((normal(3, 6), ragged(nodes, 3, 0.1)))
    found = residual(rows, *((t, known(i, len(t))) for t, i in taken), ptr=ptr)
    inputs = (rows, *(t for t, _ in taken))
    assert_same(found, plain_residual(rows, taken, ptr), *inputs)


def test_a_residual_of_several_dtypes_has_the_widest_and_their_gradients(run_kernels) -> None:
    from pepland_model.network.kernels.residual import residual

    ptr, _ = segments(1, 0, 2)
    rows, wide = normal(3, 4, dtype=torch.bfloat16), normal(3, 4, dtype=torch.float32)
    found = residual(rows, (wide, (None, None)), ptr=ptr)
    assert found.dtype == torch.float32
    expected = plain_residual(rows.double(), [(wide.double(), None)], ptr)
    assert_same(found, expected, rows, wide, bound=1e-2)
    assert residual(rows, (wide, (None, None)), ptr=ptr, dtype=rows.dtype).dtype == rows.dtype


def test_a_wrong_sign_is_seen(run_kernels) -> None:
    """So the tests above can fail."""
    from pepland_model.network.kernels.message import message

    tables = normal(3, 4), normal(3, 4), normal(3, 4)
    index = torch.arange(3, device=DEVICE)
    found = message(*tables, *[known(index, 3)] * 3)
    with pytest.raises(AssertionError):
        assert_same(found, (tables[0] + tables[1] + tables[2]).relu(), *tables)
