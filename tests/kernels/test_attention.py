"""Attention by kernels against the plain operators."""

from __future__ import annotations

import math
from itertools import pairwise

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
# A row of these tests sums up to 85 terms of up to 20; a rounding of float32 is 6e-8 of a term.
BOUND = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 4e-3}


def plain(query: Tensor, both: Tensor, ptr: Tensor, heads: int) -> Tensor:
    """One query per node, one key and value per entry; a loop over the nodes."""
    found = []
    for q, (begin, end) in zip(query, pairwise(ptr), strict=True):
        key, value = both[begin:end].view(int(end - begin), 2, heads, len(q) // heads).unbind(1)
        score = (key * q.view(heads, -1)).sum(-1) / math.sqrt(key.shape[-1])
        found.append((score.softmax(0).unsqueeze(-1) * value).sum(0).flatten())
    return torch.stack(found)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("inputs", [True, False])
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize(("heads", "width"), [(4, 6), (3, 5)])
def test_values_and_gradients_are_those_of_the_plain_operators(
    run_kernels, own, inputs, dtype, heads, width
) -> None:
    from pepland_model.network.kernels.attention import attend

    (ptr, dst), d = segments(0, 3, 7, 1, 70, 0, 4), heads * width
    nodes = ragged(7, 3, 0.5) if own else None
    edges = ragged(len(dst), 6, 0.8) if inputs else None
    query = normal(3 if own else 7, d, dtype=dtype)
    both = normal(6 if inputs else len(dst), 2 * d, dtype=dtype)
    taken = [t.double() if i is None else t.double()[i] for t, i in ((query, nodes), (both, edges))]
    indices = known(nodes, len(query)), known(edges, len(both))
    found = attend(query, both, *indices, ptr, dst, heads)
    assert found.dtype == dtype
    assert_same(found, plain(*taken, ptr, heads), query, both, bound=BOUND[dtype])


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_large_scores_do_not_overflow(run_kernels, scale) -> None:
    from pepland_model.network.kernels.attention import attend

    ptr, dst = segments(9, 2)
    query, both = (normal(n, d, dtype=torch.float32) for n, d in ((2, 4), (11, 8)))
    found = attend(query * scale, both, (None, None), (None, None), ptr, dst, 2)
    expected = plain(query.double() * scale, both.double(), ptr, 2)
    assert (found - expected).abs().max() <= 1e-2
    assert all(g.isfinite().all() for g in torch.autograd.grad(found.sum(), (query, both)))


@pytest.mark.parametrize("nodes", [0, 3])
def test_nodes_without_entries_get_zero(run_kernels, nodes) -> None:
    from pepland_model.network.kernels.attention import attend

    ptr = torch.zeros(nodes + 1, dtype=torch.int64, device=DEVICE)
    query, both, none = normal(nodes, 4), normal(5, 8), ptr[:0]
    found = attend(query, both, (None, None), known(none, 5), ptr, none, 2)
    assert torch.equal(found, torch.zeros_like(query))
    gradients = torch.autograd.grad(found.sum(), (query, both))
    assert not any(g.any() for g in gradients)


def test_entries_behind_the_last_segment_count_as_nothing(run_kernels) -> None:
    """Arrays of fixed size end in entries of no node."""
    from pepland_model.network.kernels.attention import attend

    ptr, dst = segments(2, 3)
    dst = torch.cat([dst, dst.new_zeros(4)])
    query, both = normal(2, 4), normal(9, 8)
    found = attend(query, both, (None, None), (None, None), ptr, dst, 2)
    assert_same(found, plain(query, both, ptr, 2), query, both)
