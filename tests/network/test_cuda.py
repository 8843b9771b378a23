"""Results on a CUDA device, CUDA graphs, and the checks that run without a device."""

from __future__ import annotations

import pytest
import torch

from pepland_data.errors import InputError
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.network.cuda_graph import GraphedInference
from tests.helpers.model_batches import batch_of, masked
from tests.helpers.precision import states_and_gradients, too_far
from tests.helpers.pretrain_data import golden_batch

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def model(output: str = "fused", dedup: bool | str = "auto") -> PharmHGT:
    torch.manual_seed(0)
    return PharmHGT(PharmHGTConfig(output=output, dedup=dedup))


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("dedup", ["auto", True])
def test_a_gpu_gives_the_values_and_gradients_of_the_cpu(output, dedup) -> None:
    batch = masked(golden_batch(), "pep")
    net = model(output, dedup)
    found = states_and_gradients(net.cuda(), batch.to("cuda"))
    exact = states_and_gradients(net.cpu().double(), batch)
    assert not too_far(found, exact)


@pytest.mark.cuda
@needs_cuda
def test_two_runs_on_a_gpu_give_the_same_bits() -> None:
    batch = golden_batch().to("cuda")
    net = model().cuda()
    first, second = (states_and_gradients(net, batch) for _ in range(2))
    assert not [name for name, value in first.items() if not torch.equal(value, second[name])]


@pytest.mark.cuda
@needs_cuda
def test_a_step_never_waits_for_the_gpu() -> None:
    batch = golden_batch().to("cuda")
    net = model(dedup=False).cuda()  # a search with exact sizes waits; a recorded step cannot
    states_and_gradients(net, batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        states_and_gradients(net, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
def test_a_replayed_graph_gives_the_outputs_of_the_model(output) -> None:
    net = model(output).cuda().eval()
    replay = GraphedInference(net, "on")
    batches = [batch_of(list(rows)).to("cuda") for rows in (range(20), range(5, 24), range(3))]
    for batch in 4 * batches:
        object.__setattr__(batch, "tables", batches[0].tables)
        with torch.no_grad():
            expected = net(batch)
        actual = replay(batch)
        assert torch.allclose(actual.atom_embedding, expected.atom_embedding, atol=1e-5)
        assert torch.allclose(actual.fragment_embedding, expected.fragment_embedding, atol=1e-5)


@pytest.mark.cuda
@needs_cuda
def test_a_graph_recorded_under_autocast_reads_no_freed_memory() -> None:
    net = model().cuda().eval()
    replay, batch = GraphedInference(net, "on"), batch_of(list(range(20))).to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        for _ in range(4):
            recorded = replay(batch).atom_embedding.clone()
        with torch.no_grad():
            exact = net(batch).atom_embedding
    assert torch.allclose(recorded.float(), exact.float(), atol=0.02 * float(exact.abs().max()))
    torch.cuda.empty_cache()
    filled = [torch.full((1 << 20,), torch.nan, device="cuda") for _ in range(64)]
    assert torch.equal(replay(batch).atom_embedding, recorded)
    assert len(filled) == 64


def test_recording_without_a_gpu_is_refused() -> None:
    with pytest.raises(InputError, match="CUDA device"):
        GraphedInference(PharmHGT(PharmHGTConfig(hidden=16)).eval())


@pytest.mark.cuda
@needs_cuda
def test_a_batch_on_the_gpu_is_not_copied_again() -> None:
    batch = golden_batch().to("cuda")
    assert batch.to("cuda") is batch
    assert batch.tables.to("cuda") is batch.tables


def test_cuda_without_a_number_is_the_current_device(monkeypatch) -> None:
    from pepland_data.batch.arrays import place_of

    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert place_of("cuda") == torch.device("cuda:3")
    assert place_of("cuda:1") == torch.device("cuda:1")
    assert place_of("cpu") == torch.device("cpu")
