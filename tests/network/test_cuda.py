"""What needs a CUDA device, and what can be said without one."""

from __future__ import annotations

import pytest
import torch

from pepland_data.errors import InputError
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.network.cuda_graph import GraphedInference, cloned, copy_into, uncached_autocast
from pepland_model.train.mask import MaskOptions, mask_batch
from tests.helpers.pretrain_data import golden_batch
from tests.network.test_compile import BATCHES, static

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def model(output: str = "fused", dedup: bool | str = "auto") -> PharmHGT:
    torch.manual_seed(0)
    return PharmHGT(PharmHGTConfig(output=output, dedup=dedup))


def gradients(net: PharmHGT, batch) -> list[torch.Tensor]:
    net.zero_grad()
    out = net(batch)
    (out.atom_embedding.square().sum() + out.fragment_embedding.square().sum()).backward()
    # Copies, as moving a module moves the gradients that it holds.
    found = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    return [out.atom_embedding.detach(), *found]


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("dedup", ["auto", True])
def test_a_gpu_gives_the_values_and_gradients_of_the_cpu(output, dedup) -> None:
    batch = mask_batch(golden_batch(), MaskOptions(), 0, 0).batch
    net = model(output, dedup)
    expected = gradients(net, batch)
    made = gradients(net.cuda(), batch.to("cuda"))
    for one, other in zip(made, expected, strict=True):
        assert (one.cpu() - other).abs().max() <= 1e-4 * max(1, float(other.abs().max()))


@pytest.mark.cuda
@needs_cuda
def test_two_runs_on_a_gpu_give_the_same_bits() -> None:
    batch = golden_batch().to("cuda")
    net = model().cuda()
    runs = [gradients(net, batch) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


@pytest.mark.cuda
@needs_cuda
def test_a_step_never_waits_for_the_gpu() -> None:
    batch = golden_batch().to("cuda")
    net = model().cuda()
    gradients(net, batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        gradients(net, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
@needs_cuda
def test_a_replayed_pass_gives_what_the_model_gives() -> None:
    net = model().cuda().eval()
    replay = GraphedInference(net)
    batches = [static(rows).to("cuda") for rows in BATCHES]
    for batch in batches:
        same_tables = cloned(batch)
        object.__setattr__(same_tables, "tables", batches[0].tables)
        with torch.no_grad():
            expected = net(same_tables)
        made = replay(same_tables)
        assert torch.allclose(made.atom_embedding, expected.atom_embedding, atol=1e-5)


@pytest.mark.cuda
@needs_cuda
def test_a_pass_recorded_under_autocast_reads_no_memory_that_was_freed() -> None:
    net = model().cuda().eval()
    replay, batch = GraphedInference(net), static(BATCHES[0]).to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        with torch.no_grad():
            expected = net(batch).atom_embedding
        replay(batch)
    torch.cuda.empty_cache()
    filled = [torch.full((1 << 20,), torch.nan, device="cuda") for _ in range(64)]
    made = replay(batch).atom_embedding
    assert len(filled) == 64
    assert torch.allclose(made.float(), expected.float(), atol=1e-5)


@pytest.mark.parametrize("kind", [None, torch.bfloat16])
def test_while_recording_autocast_keeps_its_type_and_no_casts(kind) -> None:
    layer, x = torch.nn.Linear(3, 3), torch.ones(2, 3)
    with torch.autocast("cpu", kind or torch.bfloat16, enabled=kind is not None):
        expected = layer(x)
        with uncached_autocast("cpu"):
            assert not torch.is_autocast_cache_enabled()
            assert torch.equal(layer(x), expected)
            assert layer(x).dtype == expected.dtype == (kind or torch.float32)
        assert torch.is_autocast_cache_enabled()


def test_recording_without_a_gpu_is_refused_in_one_sentence() -> None:
    with pytest.raises(InputError, match="CUDA device"):
        GraphedInference(PharmHGT(PharmHGTConfig(hidden=16)).eval())


def test_only_a_batch_of_the_recorded_shape_and_tables_is_taken_over() -> None:
    first, second = (static(rows) for rows in BATCHES[:2])
    held = cloned(first)
    copy_into(held, second)
    assert torch.equal(held.atom_code, second.atom_code)
    assert not torch.equal(first.atom_code, second.atom_code)
    with pytest.raises(InputError, match="static shapes"):
        copy_into(cloned(golden_batch([0])), golden_batch([1]))
    with pytest.raises(InputError, match="other tables"):
        copy_into(held, golden_batch([0]))


@pytest.mark.cuda
@needs_cuda
def test_what_is_on_the_gpu_is_not_sent_again() -> None:
    batch = golden_batch().to("cuda")
    assert batch.to("cuda") is batch
    assert batch.tables.to("cuda") is batch.tables


def test_cuda_without_a_number_is_the_current_card(monkeypatch) -> None:
    from pepland_data.batch.arrays import place_of

    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert place_of("cuda") == torch.device("cuda:3")
    assert place_of("cuda:1") == torch.device("cuda:1")
    assert place_of("cpu") == torch.device("cpu")
