"""Results on a CUDA device, CUDA graphs, and the checks that run without a device."""

from __future__ import annotations

import pytest
import torch

from pepland_data.errors import InputError
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.network.cuda_graph import GraphedInference, cloned, copy_into, uncached_autocast
from tests.helpers.model_batches import STATIC_ROWS, masked, static_batch
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
    net = model().cuda()
    states_and_gradients(net, batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        states_and_gradients(net, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
@needs_cuda
def test_a_replayed_graph_gives_the_outputs_of_the_model() -> None:
    net = model().cuda().eval()
    replay = GraphedInference(net)
    batches = [static_batch(rows).to("cuda") for rows in STATIC_ROWS]
    for batch in batches:
        same_tables = cloned(batch)
        object.__setattr__(same_tables, "tables", batches[0].tables)
        with torch.no_grad():
            expected = net(same_tables)
        actual = replay(same_tables)
        assert torch.allclose(actual.atom_embedding, expected.atom_embedding, atol=1e-5)


@pytest.mark.cuda
@needs_cuda
def test_a_graph_recorded_under_autocast_reads_no_freed_memory() -> None:
    net = model().cuda().eval()
    replay, batch = GraphedInference(net), static_batch(STATIC_ROWS[0]).to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        with torch.no_grad():
            expected = net(batch).atom_embedding
        replay(batch)
    torch.cuda.empty_cache()
    filled = [torch.full((1 << 20,), torch.nan, device="cuda") for _ in range(64)]
    actual = replay(batch).atom_embedding
    assert len(filled) == 64
    assert torch.allclose(actual.float(), expected.float(), atol=1e-5)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_uncached_autocast_keeps_the_dtype_and_caches_no_casts(dtype) -> None:
    layer, x = torch.nn.Linear(3, 3), torch.ones(2, 3)
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        expected = layer(x)
        with uncached_autocast("cpu"):
            assert not torch.is_autocast_cache_enabled()
            assert torch.equal(layer(x), expected)
            assert layer(x).dtype == expected.dtype == (dtype or torch.float32)
        assert torch.is_autocast_cache_enabled()


def test_recording_without_a_gpu_is_refused() -> None:
    with pytest.raises(InputError, match="CUDA device"):
        GraphedInference(PharmHGT(PharmHGTConfig(hidden=16)).eval())


def test_only_a_batch_of_the_recorded_shape_and_tables_is_copied() -> None:
    first, second = (static_batch(rows) for rows in STATIC_ROWS[:2])
    recorded = cloned(first)
    copy_into(recorded, second)
    assert torch.equal(recorded.atom_code, second.atom_code)
    assert not torch.equal(first.atom_code, second.atom_code)
    with pytest.raises(InputError, match="static shapes"):
        copy_into(cloned(golden_batch([0])), golden_batch([1]))
    with pytest.raises(InputError, match="other tables"):
        copy_into(recorded, golden_batch([0]))


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
