"""Sums over takers by kernels, on a card where there is one, else in Triton's interpreter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pepland_model.network import takers as by_takers
from pepland_model.network.kernels import devices as kernels
from pepland_model.network.segments import segment_sum, take
from pepland_model.network.takers import Takers, sorted_takers, takers_of, whole

pytest.importorskip("triton")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SIZES = [(7, 4, 0.0), (230, 5, 0.7), (0, 3, 0.0), (200, 3, 1.0), (300, 9, 0.4), (5, 1, 1.0)]
"""Entries, rows, and the share of the entries that take one row."""


@pytest.fixture
def run_kernels(monkeypatch) -> None:
    """Run kernels on the CPU, too, and sum by takers; numbers are the same in every run."""
    torch.manual_seed(0)
    monkeypatch.setattr(kernels, "DEVICES", {"cpu", "cuda"})
    monkeypatch.setattr(by_takers, "DEVICES", {"cpu", "cuda"})


def ragged(entries: int, rows: int, heavy: float) -> Tensor:
    """Random rows, of which the first but one is taken by a share of all entries."""
    index = torch.randint(0, rows, (entries,), device=DEVICE)
    index[: int(heavy * entries)] = max(rows - 2, 0)
    return index[torch.randperm(entries, device=DEVICE)]


def segments(*sizes: int) -> tuple[Tensor, Tensor]:
    """Segments of these sizes: where they begin, and the segment of each entry."""
    size = torch.tensor(sizes, dtype=torch.int64, device=DEVICE)
    return torch.cat([size.new_zeros(1), size.cumsum(0)]), torch.repeat_interleave(size)


def normal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, device=DEVICE, dtype=dtype, requires_grad=True)


def known(index: Tensor | None, rows: int) -> tuple[Tensor | None, Takers | None]:
    """The index with its takers; `run_kernels` must be in effect."""
    return whole((index, None), rows)


def assert_same(found: Tensor, expected: Tensor, *inputs: Tensor, bound: float = 1e-12) -> None:
    """Values, and the gradients of a random weighting of them. Bounds are relative."""
    weight = torch.randn_like(expected)
    exact = torch.autograd.grad((expected * weight).sum(), inputs)
    actual = torch.autograd.grad((found * weight.to(found.dtype)).sum(), inputs)
    for value, true in zip((found, *actual), (expected, *exact), strict=True):
        assert value.shape == true.shape
        error = (value.double() - true.double()).abs().max() if true.numel() else 0
        assert error <= bound * max(1.0, float(true.detach().abs().max()) if true.numel() else 0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("integer", [torch.int64, torch.int32])
def test_sums_over_takers_are_the_gradients_of_taking(run_kernels, size, integer) -> None:
    from pepland_model.network.kernels.gather_sum import gather_sum

    entries, rows, heavy = size
    index, grad = ragged(entries, rows, heavy), normal(entries, 6).detach()
    found = takers_of(index, rows)
    assert found.parts is None
    found = Takers(found.order.to(integer), found.ptr.to(integer), row=found.row.to(integer))
    gate = torch.randn_like(grad)
    expected = grad.new_zeros(rows, 6).index_add(0, index, grad.where(gate > 0, 0))
    total = gather_sum(grad, found, gate=gate, sign=-1)
    assert (total + expected).abs().max() <= 1e-12
    assert torch.equal(gather_sum(grad, found, gate=gate, sign=-1), total)
    # Entries that look their row up in another index.
    via = torch.randint(0, 4, (entries,), device=DEVICE)
    table = normal(4, 6).detach()
    expected = table.new_zeros(rows, 6).index_add(0, index, table[via])
    assert (gather_sum(table, found, via) - expected).abs().max() <= 1e-12


def test_the_pieces_of_many_long_rows_in_two_launches_are_told_apart(run_kernels) -> None:
    """Rows that begin and end in every place of a chunk, with entries behind the last segment."""
    from pepland_model.network.kernels.gather_sum import gather_sums
    from pepland_model.network.kernels.jobs import job

    jobs, checks = [], []
    for sizes in [(1, 63, 65, 64, 130, 0, 66), (128, 70, 100), (0, 3, 200, 0), (90,), (0,)]:
        ptr, row = segments(*sizes)
        row = torch.cat([row, row.new_full((9,), len(sizes) + 3)])
        order = torch.randperm(len(row), device=DEVICE)
        rows = normal(len(row), 3).detach()
        out = rows.new_full((len(sizes), 3), torch.nan)
        jobs.append(job(rows, out, Takers(order, ptr, row=row)))
        expected = rows.new_zeros(len(sizes) + 4, 3).index_add(0, row, rows[order])
        checks.append((out, expected[: len(sizes)]))
    gather_sums(*jobs)
    for out, expected in checks:
        assert (out - expected).abs().max() <= 1e-12


@pytest.mark.parametrize("spread", [True, False])
def test_rows_of_many_pieces_are_summed_by_one_program_or_more(
    run_kernels, monkeypatch, spread
) -> None:
    from pepland_model.network.kernels import gather_sum

    monkeypatch.setattr(gather_sum, "FEW_ROWS", 4 if spread else 0)
    monkeypatch.setattr(gather_sum, "MANY_ENTRIES", 10_000)
    ptr, row = segments(2, 4500, 3)
    takers = Takers(torch.arange(4505, device=DEVICE).flip(0), ptr, row=row)
    rows = normal(4505, 140).detach()
    assert gather_sum.PART * 2 < 4500
    assert gather_sum.BLOCK < 140
    exact = rows.new_zeros(3, 140).index_add(0, row, rows.flip(0))
    assert (gather_sum.gather_sum(rows, takers) - exact).abs().max() <= 1e-11


def test_takers_without_rows_find_them(run_kernels) -> None:
    ptr, row = segments(3, 100, 0, 70)
    rows = normal(173, 4).detach()
    exact = rows.new_zeros(4, 4).index_add(0, row, rows)
    assert (sorted_takers(ptr, 173).sum(rows) - exact).abs().max() <= 1e-12


@pytest.mark.parametrize("size", SIZES)
def test_taking_and_segment_sums_have_the_plain_gradients(run_kernels, size) -> None:
    entries, rows, heavy = size
    index, table = ragged(entries, rows, heavy), normal(rows, 5)
    assert_same(take(table, index), table[index], table)
    dst = index.sort().values
    ptr = torch.searchsorted(dst, torch.arange(rows + 1, device=DEVICE))
    values = normal(entries, 5)
    exact = values.new_zeros(rows, 5).index_add(0, dst, values)
    assert_same(segment_sum(values, ptr, dst), exact, values)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_of_16_bit_gradients_are_made_in_32_bits(run_kernels, dtype) -> None:
    rows = torch.zeros(2, 3, dtype=dtype, requires_grad=True, device=DEVICE)
    index = torch.arange(4_000, device=DEVICE) % 2
    (take(rows, index).float() / 64).sum().backward()
    assert torch.equal(rows.grad, torch.full((2, 3), 31.25).to(rows))


@pytest.mark.parametrize("inputs", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("sizes", [(0, 3, 1, 80, 0), (0, 0), ()])
def test_rows_are_taken_and_summed_over_segments(run_kernels, inputs, dtype, sizes) -> None:
    from pepland_model.network.kernels.segment_rows import segment_rows

    ptr, dst = segments(*sizes) if sizes else (torch.zeros(1, dtype=int, device=DEVICE),) * 2
    dst = dst if sizes else dst[:0]
    index = ragged(len(dst), 7, 0.8) if inputs else None
    h = normal(7 if inputs else len(dst), 6, dtype=dtype)
    taken = h.double() if index is None else h.double()[index]
    expected = taken.new_zeros(len(sizes), 6).index_add(0, dst, taken)
    found = segment_rows(h, known(index, 7), ptr, dst)
    assert found.dtype == dtype
    assert_same(found, expected, h, bound=1e-12 if dtype == torch.float64 else 1e-2)
