"""Sums of taken rows, and residuals, by kernels against the plain operators."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pepland_model.network.kernels.columns import Columns
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


@pytest.mark.parametrize("size", [90, 3, 0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("strip", [True, False])
def test_sums_of_taken_rows_are_those_of_plain_operators(run_kernels, size, dtype, strip) -> None:
    from pepland_model.network.kernels.taken_sum import taken_sum

    columns = Columns(2, 3, 5)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    tables = normal(3, 10, dtype=wide), normal(6, 10, dtype=dtype), normal(8, 10, dtype=dtype)
    tables = [table.detach() for table in tables]
    shares = zip(tables, (0.9, 0, 0.3), strict=True)
    indices = [ragged(size, len(table), heavy) for table, heavy in shares]
    x, a, b = (table.double()[index] for table, index in zip(tables, indices, strict=True))
    expected = (x + a - b).relu()
    ptr, _ = segments(*[0, 2, 1] * (size // 3))
    expected[ptr.diff() == 0] = 0
    expected[:, 3] = 1
    found = taken_sum(
        tables, indices, size, dtype, signs=0b100, relu=True, ptr=ptr, one=3,
        strip=columns if strip else None,
    )  # fmt: skip
    expected = columns.strip(expected) if strip else expected
    assert found.dtype == dtype
    assert found.shape == expected.shape
    bound = {torch.float64: 1e-12, torch.float16: 1e-3, torch.bfloat16: 1e-2}[dtype]
    assert torch.allclose(found.double(), expected, rtol=bound, atol=bound)


def test_gradients_without_spare_columns_get_them(run_kernels) -> None:
    from pepland_model.network.kernels.gather_sum import gather_sums
    from pepland_model.network.kernels.jobs import job

    columns, rows = Columns(2, 3, 5), normal(80, 6).detach()
    index = ragged(80, 4, 0.9)  # one row has more entries than a part
    takers = known(index, 4)[1]
    found, each = rows.new_full((4, 10), torch.nan), rows.new_full((80, 10), torch.nan)
    gather_sums(job(rows, found, takers, pad=columns), job(rows, each, None, pad=columns))
    (padded,) = columns.pad(rows)
    padded[:, 3] = 0  # the column of ones
    assert torch.equal(each, padded)
    expected = padded.new_zeros(4, 10).index_add(0, index, padded)
    assert (found - expected).abs().max() <= 1e-12


@pytest.mark.parametrize(("d", "heads"), [(300, 4), (304, 4), (16, 2), (24, 3), (7, 1), (60, 12)])
def test_rows_have_as_few_spare_columns_as_alignment_allows(run_kernels, d, heads) -> None:
    columns, rows = Columns.of(d, heads), torch.randn(3, d)
    assert (columns.heads, columns.real * heads) == (heads, d)
    assert columns.size % 8 == 0
    spare = columns.wide - columns.real
    assert spare >= 1
    assert all(heads * (columns.real + n) % 8 for n in range(1, spare))
    (padded,) = columns.pad(rows)
    assert torch.equal(columns.strip(padded), rows)
    assert torch.equal(padded.sum(1).round(decimals=3), (rows.sum(1) + 1).round(decimals=3))
    assert torch.equal(padded[:, columns.real], torch.ones(3))


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
    from pepland_model.network.kernels.residual import residual

    rows, table = normal(3, 4), normal(3, 4)
    found = residual(rows, (table, known(torch.arange(3, device=DEVICE), 3)))
    with pytest.raises(AssertionError):
        assert_same(found, rows - table, rows, table)
