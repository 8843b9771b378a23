"""Compilation and low precision: the same results, and one program for all batches of a shape."""

from __future__ import annotations

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from pepland_data.graph.columns import GROUPS
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.network.segments import take
from pepland_model.train.mask import MaskOptions, mask_batch
from tests.helpers.model_batches import batch_of, padded

SHAPE = {"atom": 500, "fragment": 120, "bond": 520, "reaction": 110}
BATCHES = ([0, 1, 2, 12], [3, 4, 5, 13], [6, 7, 20, 15])


def static(rows: list[int]):
    """A batch in arrays of one shape for all, masked."""
    batch = batch_of(rows)
    room = {g: SHAPE[g] - int(getattr(batch, f"{g}_ptr")[-1]) for g in GROUPS}
    return mask_batch(padded(batch, room, 5 - len(rows)), MaskOptions("atom"), 0, 0).batch


def model(output: str, **settings) -> PharmHGT:
    torch.manual_seed(0)
    return PharmHGT(PharmHGTConfig(hidden=16, depth=2, output=output, dedup=False, **settings))


def results(run, net: PharmHGT, batch, atoms: int) -> list[torch.Tensor]:
    net.zero_grad()
    out = run(batch)
    (out.atom_embedding[:atoms].square().sum() + out.fragment_embedding[:3].sum()).backward()
    return [out.atom_embedding[:atoms].detach(), *(p.grad for p in net.parameters())]


def compare(backend, output: str) -> None:
    net = model(output)
    compiled = torch.compile(net, backend=backend, dynamic=False)
    for rows in BATCHES:
        batch, atoms = static(rows), len(batch_of(rows).atom_code)
        expected = results(net, net, batch, atoms)
        for made, wanted in zip(results(compiled, net, batch, atoms), expected, strict=True):
            if wanted is not None:
                assert (made - wanted).abs().max() <= 1e-5 * max(1, float(wanted.abs().max()))


@pytest.mark.parametrize("output", ["homo", "fused"])
def test_static_shapes_are_compiled_once_and_in_one_piece(output: str) -> None:
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        compare(counter, output)
    assert counter.frame_count == 1


def test_batches_of_any_size_are_compiled_twice_at_most() -> None:
    """Sizes become symbols at their first change; from then on one program serves all."""
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("eager")
    net = model("homo")
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
    torch._dynamo.reset()
    compare("inductor", output)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("output", ["homo", "fused"])
@pytest.mark.parametrize("dedup", [True, False])
def test_low_precision_stays_close_in_values_and_gradients(kind, output, dedup) -> None:
    """Products run in 16 bits, softmax and sums of segments in 32."""
    batch = mask_batch(batch_of(list(range(8))), MaskOptions("atom"), 0, 0).batch
    torch.manual_seed(0)
    net = PharmHGT(PharmHGTConfig(hidden=48, output=output, dedup=dedup))
    grads = []
    for enabled in (False, True):
        net.zero_grad()
        with torch.autocast("cpu", kind, enabled=enabled):
            out = net(batch)
            loss = out.atom_embedding.float().square().mean()
            loss = loss + out.fragment_embedding.float().square().mean()
        loss.backward()
        grads.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
        assert all(p.grad.dtype == torch.float32 for p in net.parameters() if p.grad is not None)
    assert torch.isfinite(grads[1]).all()
    cosine = torch.nn.functional.cosine_similarity(grads[0], grads[1], dim=0)
    assert cosine > 0.999


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_gradients_of_rows_taken_thousands_of_times_do_not_stop_growing(kind) -> None:
    """Summed in 16 bits, 20,000 ones make 256 or 2,048."""
    rows = torch.zeros(2, 3, dtype=kind, requires_grad=True)
    index = torch.arange(40_000) % 2
    taken = take(rows, index)
    assert torch.equal(taken, rows.detach()[index])
    (taken.float() / 64).sum().backward()
    assert torch.equal(rows.grad, torch.full((2, 3), 312.5).to(kind))


def test_bfloat16_gradients_of_every_weight_in_a_batch_of_many_atoms() -> None:
    """Without distinct states a few table rows stand for all atoms."""
    batch = batch_of(list(range(10, 50)) * 3)
    net = PharmHGT(PharmHGTConfig(hidden=24, dedup=False))
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
        if ".attn." in name:  # small sums of large terms: noise in 16 bits whatever sums them
            continue
        assert abs(grads[1][name].norm() / exact.norm() - 1) < 0.05, name
        assert torch.cosine_similarity(grads[1][name], exact, dim=0) > 0.99, name


def test_states_kept_in_another_precision_are_not_mixed() -> None:
    batch = batch_of([10, 11])
    net = PharmHGT(PharmHGTConfig(hidden=16)).eval()
    with torch.no_grad():
        exact = net(batch).atom
        with torch.autocast("cpu", torch.bfloat16):
            assert not torch.equal(net(batch).atom.float(), exact)
        assert torch.equal(net(batch).atom, exact)
