"""Gradients of taking rows: equal to the plain ones, with no sort and no atomic addition."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.network import takers as by_takers
from pepland_model.network.heads import PretrainHeads
from pepland_model.network.plain_pharmhgt import PlainPharmHGT
from pepland_model.network.segments import segment_sum, take
from pepland_model.network.states.plan_takers import with_takers
from pepland_model.network.takers import looked_up, permuted_takers, sorted_takers, takers_of
from pepland_model.train.loss import Term, pretrain_tally, total_loss
from pepland_model.train.mask import Masked, MaskOptions, mask_batch
from pepland_model.train.pretrain_network import PretrainNetwork
from tests.helpers.model_batches import batch_of, masked, padded, small_model
from tests.network.test_model_properties import assert_close, run

UNORDERED = {"sort", "argsort", "topk", "unique_dim", "_unique2", "unique_consecutive",
             "embedding_dense_backward", "index_add", "index_add_", "scatter_add", "scatter_add_",
             "scatter_reduce", "scatter_reduce_", "index_reduce", "_embedding_bag_backward",
             "_embedding_bag_dense_backward"}  # fmt: skip
"""Operators that sort on CUDA, or add with atomic operations."""
ROOM = {"atom": 70, "fragment": 9, "bond": 300, "reaction": 80}


class Operators(TorchDispatchMode):
    """Counts the operators that run inside, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._overloadpacket.__name__
        if "index_put" in name and (len(args) > 3 and args[3]):
            name = "accumulate"
        self.found[name] += 1
        return func(*args, **(kwargs or {}))

    @property
    def unordered(self) -> list[str]:
        return [name for name in self.found if name in UNORDERED | {"accumulate"}]


@pytest.fixture
def on_cpu(monkeypatch) -> None:
    """Run on the CPU what CUDA runs."""
    monkeypatch.setattr(by_takers, "DEVICES", {"cpu"})


def ragged(entries: int, rows: int, heavy: float) -> torch.Tensor:
    """Random rows, of which one is taken by a share of all entries."""
    index = torch.randint(0, rows, (entries,))
    index[: int(heavy * entries)] = rows - 1
    return index[torch.randperm(entries)]


@given(st.integers(0, 6000), st.integers(1, 3000), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=60, deadline=None)
def test_sums_over_takers_are_the_gradients_of_taking(entries, rows, heavy) -> None:
    index = ragged(entries, rows, heavy)
    takers, grad = takers_of(index, rows), torch.randn(entries, 3, dtype=torch.float64)
    expected = grad.new_zeros(rows, 3).index_add(0, index, grad)
    assert (takers.sum(grad) - expected).abs().max() <= 1e-11
    # No segment is longer than a few times the square root of the number of entries.
    segments = [takers.ptr] if takers.parts is None else [takers.ptr, takers.parts.ptr]
    longest = max(int(ptr.diff().max()) for ptr in segments)
    assert longest <= max(by_takers.MIN_PART * 2, 2 * entries**0.5)


@pytest.mark.parametrize(("entries", "rows", "heavy"), [(7, 4, 0.0), (150, 3, 0.9), (0, 3, 0.0)])
def test_first_and_second_derivatives_are_those_of_finite_differences(entries, rows, heavy) -> None:
    index = ragged(entries, rows, heavy)
    takers = takers_of(index, rows)
    table = torch.randn(rows, 2, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda x: take(x, index, takers), table)
    torch.autograd.gradgradcheck(lambda x: take(x, index, takers).square(), table)
    dst = index.sort().values
    ptr = torch.searchsorted(dst, torch.arange(rows + 1))
    values = torch.randn(entries, 2, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda x: segment_sum(x, ptr, dst), values)


def test_an_index_looked_up_in_another_has_the_takers_of_both() -> None:
    ptr = torch.tensor([0, 3, 3, 300, 301])
    dst = torch.repeat_interleave(ptr.diff())
    own = torch.tensor([1, 0, 1, 4])
    index, takers = looked_up((dst, sorted_takers(ptr, 301)), (own, takers_of(own, 5)))
    grad = torch.randn(301, 2, dtype=torch.float64)
    assert takers is not None
    expected = grad.new_zeros(5, 2).index_add(0, own[dst], grad)
    torch.testing.assert_close(takers.sum(grad), expected)
    order = torch.randperm(301)
    assert torch.equal(permuted_takers(order).sum(grad), grad[order])
    assert torch.equal(index, own[dst])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_of_16_bit_gradients_are_made_in_32_bits(dtype) -> None:
    rows = torch.zeros(2, 3, dtype=dtype, requires_grad=True)
    index = torch.arange(40_000) % 2
    (take(rows, index, takers_of(index, 2)).float() / 64).sum().backward()
    assert torch.equal(rows.grad, torch.full((2, 3), 312.5).to(dtype))


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("dedup", [True, False])
@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("pad", [True, False])
def test_the_program_of_cuda_gives_the_values_and_gradients_of_the_plain_network(
    on_cpu, output, dedup, mask, pad
) -> None:
    batch = batch_of(list(range(30)))
    size = len(batch.atom_code), len(batch.fragment_code)
    fast_batch = padded(batch, ROOM, 2) if pad else batch
    if mask:
        batch, fast_batch = masked(batch, "pep", True), masked(fast_batch, "pep", True)
    expected = run(small_model(output, PlainPharmHGT), batch, *size)
    assert_close(run(small_model(output, dedup=dedup), fast_batch, *size), expected)


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("dedup", [True, False])
@pytest.mark.parametrize("bonds", [True, False])
@pytest.mark.parametrize("pad", [True, False])
def test_the_backward_pass_of_a_training_step_sorts_and_scatters_nothing(
    on_cpu, monkeypatch, output, dedup, bonds, pad
) -> None:
    batch = batch_of(list(range(8)))
    batch = padded(batch, ROOM, 2) if pad else batch
    hidden = mask_batch(batch, MaskOptions("pep", mask_bonds=bonds), 0, 0)
    encoder = small_model(output, dedup=dedup)
    net = PretrainNetwork(encoder, PretrainHeads(24, 1), Vocabulary(("C",)), bonds)
    monkeypatch.setattr(net, "masked_rows", partial(every_row, net))  # as on a device
    total = total_loss(pretrain_tally(net(hidden)), torch.ones(3))
    with Operators() as backward:
        total.backward()
    assert backward.found["_embedding_bag_forward_only"] > 10
    assert backward.unordered == []


def every_row(net: PretrainNetwork, hidden: Masked, *targets: torch.Tensor) -> list[Term | None]:
    out = net.encoder(hidden.batch)
    states = net.heads(out.atom_embedding, out.fragment_embedding)
    return [*map(Term, states, targets), None]


def test_the_list_of_unordered_operators_is_met_without_takers() -> None:
    """So the test above can fail."""
    out = small_model("fused")(batch_of(list(range(8))))
    with Operators() as backward:
        (out.atom_embedding.sum() + out.fragment_embedding.sum()).backward()
    assert backward.unordered == ["embedding_dense_backward"]


def test_chosen_rows_are_taken_without_sorting_in_the_backward_pass(on_cpu) -> None:
    batch, net = batch_of(list(range(8))), small_model("fused", dedup=False)
    rows = torch.tensor([5, 0, 5])
    with torch.no_grad():
        expected = net(batch).atom_embedding[rows]
    out = net(batch, atom_rows=rows)
    torch.testing.assert_close(out.atom_embedding, expected)
    with Operators() as backward:
        out.atom_embedding.sum().backward()
    assert backward.unordered == []


@pytest.mark.parametrize("output", ["homo", "fused"])
def test_a_plan_sorts_all_its_indices_together(on_cpu, output) -> None:
    batch, net = batch_of(list(range(8))), small_model(output, dedup=False)
    with Operators() as forward:
        net(batch)
    # The edges of two views, the atoms of the junction view, and all indices.
    assert forward.found["sort"] == {"homo": 3, "fused": 4}[output]


def test_a_plan_keeps_its_takers_where_it_moves(on_cpu) -> None:
    batch, net = batch_of([3, 7]), small_model("fused", dedup=True)
    plan = net.plan(batch)
    moved = plan.to("cpu")
    assert plan.atoms.rows is not None
    assert moved.atoms.takers.keys() == {"rows"}
    assert moved.atoms.nodes[-1].takers.keys() == {"own", "inputs", "dst", "code"}
    assert torch.equal(moved.atoms.takers["rows"].order, plan.atoms.takers["rows"].order)
    assert with_takers(moved, batch.tables).atoms is moved.atoms
