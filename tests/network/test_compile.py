"""Compilation and low precision: the same results, and one program for all batches of a shape."""

from __future__ import annotations

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from pepland_model import PharmHGT
from pepland_model.network import takers
from pepland_model.network.segments import take
from tests.helpers.model_batches import STATIC_ROWS, batch_of, masked, small_model, static_batch

every_output = pytest.mark.parametrize(
    "output", ["fused", pytest.param("homo", marks=pytest.mark.slow)]
)


def results(run, net: PharmHGT, batch, atoms: int) -> list[torch.Tensor]:
    net.zero_grad()
    out = run(batch)
    (out.atom_embedding[:atoms].square().sum() + out.fragment_embedding[:3].sum()).backward()
    return [out.atom_embedding[:atoms].detach(), *(p.grad for p in net.parameters())]


def compare(backend, output: str) -> None:
    torch._dynamo.reset()
    net = small_model(output, hidden=16, depth=2, dedup=False)
    compiled = torch.compile(net, backend=backend, dynamic=False)
    for rows in STATIC_ROWS:
        batch, atoms = static_batch(rows), len(batch_of(rows).atom_code)
        expected = results(net, net, batch, atoms)
        for actual, value in zip(results(compiled, net, batch, atoms), expected, strict=True):
            if value is not None:
                assert (actual - value).abs().max() <= 1e-5 * max(1, float(value.abs().max()))


@every_output
def test_static_shapes_are_compiled_once_without_graph_breaks(output: str) -> None:
    counter = CompileCounterWithBackend("aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        compare(counter, output)
    assert counter.frame_count == 1


def test_the_program_of_cuda_is_compiled_once_without_graph_breaks(monkeypatch) -> None:
    """Its backward pass sums over takers."""
    monkeypatch.setattr(takers, "DEVICES", {"cpu"})
    counter = CompileCounterWithBackend("aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        compare(counter, "homo")
    assert counter.frame_count == 1


def test_batches_of_any_size_are_compiled_at_most_twice() -> None:
    """At their first change sizes become symbols; from then on one program serves all batches."""
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("eager")
    net = small_model(hidden=16, depth=2, dedup=False)
    compiled = torch.compile(net, backend=counter)
    for rows in ([10, 11, 12], [13, 14], [15, 16, 17, 18], [19, 20], [21, 22, 23]):
        batch = batch_of(rows)
        assert torch.equal(compiled(batch).atom, net(batch).atom)
    assert counter.frame_count <= 2


@pytest.mark.slow
@pytest.mark.parametrize("output", ["homo", "fused"])
def test_generated_code_gives_the_same_values_and_gradients(output: str) -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        pytest.skip("the generated code needs a C++ compiler")
    compare("inductor", output)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("output", ["homo", "fused"])
@pytest.mark.parametrize("dedup", [True, False])
def test_low_precision_stays_close_in_values_and_gradients(dtype, output, dedup) -> None:
    """Products run in 16 bits, softmax and sums of segments in 32."""
    batch = masked(batch_of(list(range(8))))
    net = small_model(output, hidden=48, dedup=dedup)
    values, grads = [], []
    for enabled in (False, True):
        net.zero_grad()
        with torch.autocast("cpu", dtype, enabled=enabled):
            out = net(batch)
            loss = out.atom_embedding.float().square().mean()
            loss = loss + out.fragment_embedding.float().square().mean()
        loss.backward()
        values.append(out.atom_embedding.detach())
        grads.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
        assert all(p.grad.dtype == torch.float32 for p in net.parameters() if p.grad is not None)
    assert (values[1] - values[0]).abs().max() < 0.05 * values[0].abs().max()
    assert torch.isfinite(grads[1]).all()
    assert torch.nn.functional.cosine_similarity(*grads, dim=0) > 0.999


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_of_rows_taken_thousands_of_times_are_summed_exactly(dtype) -> None:
    """Summed in 16 bits, 20,000 ones make 256 or 2,048."""
    rows = torch.zeros(2, 3, dtype=dtype, requires_grad=True)
    index = torch.arange(40_000) % 2
    taken = take(rows, index)
    assert torch.equal(taken, rows.detach()[index])
    (taken.float() / 64).sum().backward()
    assert torch.equal(rows.grad, torch.full((2, 3), 312.5).to(dtype))


def test_bfloat16_gradients_of_every_weight_in_a_batch_of_many_atoms() -> None:
    """Without distinct states, all atoms share a few table rows."""
    batch = batch_of(list(range(10, 50)) * 3)
    net = small_model(dedup=False)
    grads = []
    for enabled in (False, True):
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = net(batch)
        loss = out.atom_embedding.float().square().sum() + out.fragment_embedding.float().sum()
        loss.backward()
        named = net.named_parameters()
        grads.append({n: p.grad.flatten() for n, p in named if p.grad is not None})
    for name, exact in grads[0].items():
        if ".attn." in name:  # small sums of large terms: rounding noise in 16 bits
            continue
        assert abs(grads[1][name].norm() / exact.norm() - 1) < 0.05, name
        assert torch.cosine_similarity(grads[1][name], exact, dim=0) > 0.99, name


def test_states_kept_in_another_precision_are_not_used() -> None:
    batch = batch_of([10, 11])
    net = small_model().eval()
    with torch.no_grad():
        exact = net(batch).atom
        with torch.autocast("cpu", torch.bfloat16):
            assert not torch.equal(net(batch).atom.float(), exact)
        assert torch.equal(net(batch).atom, exact)
