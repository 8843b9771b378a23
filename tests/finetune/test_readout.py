"""The layers between encoder and head: what they do to states, and equal states once."""

from __future__ import annotations

import pytest
import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.finetune.readout import NodeLayers, Normalize, fit_statistics
from pepland_model.finetune.task_network import HeadConfig, TaskNetwork
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.output import Round
from pepland_model.network.pharmhgt import PharmHGT
from tests.helpers.pretrain_data import golden_batch


def test_the_readout_turns_states_that_hardly_differ_into_inputs_of_one_unit() -> None:
    batch = golden_batch(list(range(12)))
    network = TaskNetwork(PharmHGT(PharmHGTConfig(hidden=16, heads=4)), HeadConfig(16, 1))
    fit_statistics(network, [batch])
    assert not network.training
    inputs = network.features(batch)
    seen = network.head.layers[0](inputs)
    torch.testing.assert_close(seen.mean(0), torch.zeros(34), atol=0.05, rtol=0)
    varies = inputs.std(0) > 1e-3
    assert varies.sum() > 20
    torch.testing.assert_close(seen.std(0)[varies], torch.ones(34)[varies], atol=0.1, rtol=0)


def test_statistics_do_not_depend_on_what_was_seen_before() -> None:
    batch = golden_batch([0, 1, 2, 3])
    network = TaskNetwork(PharmHGT(PharmHGTConfig(hidden=16, heads=4)), HeadConfig(16, 1))
    fit_statistics(network, [batch])
    before = {name: value.clone() for name, value in network.head.named_buffers()}
    network.train()
    network(golden_batch([4, 5, 6, 7]))
    fit_statistics(network, [batch])
    for name, value in network.head.named_buffers():
        torch.testing.assert_close(value, before[name])


def network_of(dedup: bool, **head: str) -> TaskNetwork:
    torch.manual_seed(5)
    config = PharmHGTConfig(hidden=16, dedup=dedup)
    return TaskNetwork(PharmHGT(config), HeadConfig(16, 1, dropout=0.0, **head)).double()


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("view", ["both", "atom", "fragment"])
def test_equal_states_once_are_every_row(view, pooling) -> None:
    """Same outputs, gradients and statistics, with states that many nodes share."""
    batch = golden_batch([0, 1, 2, 3, 0, 1])
    every, once = (network_of(dedup, view=view, pooling=pooling) for dedup in (False, True))
    assert every.encoder.embeddings(batch)["atom"].rows is None
    found = once.encoder.embeddings(batch)
    assert len(found["atom"].states) < len(batch.atom_code) / 2
    assert len(found["fragment"].states) < len(batch.fragment_code)
    outputs = [network.train()(batch) for network in (every, once)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    for (name, one), other in zip(every.named_parameters(), once.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-6, atol=1e-8, msg=name)
    for network in (every, once):
        fit_statistics(network, [batch, golden_batch([4, 5])])
    for (name, one), other in zip(every.named_buffers(), once.buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=name)
    torch.testing.assert_close(every(batch), once(batch))


def test_rows_that_repeat_are_normalized_like_the_rows_written_out() -> None:
    torch.manual_seed(0)
    rows, index = torch.randn(5, 7).double() + 100, torch.tensor([0, 0, 3, 1, 4, 2, 2, 2, 3])
    plain, counted = Normalize(7).double(), Normalize(7).double()
    repeats = torch.bincount(index).double()
    for _ in range(3):
        want, found = plain(rows[index]), counted(rows, repeats, len(index))[index]
        torch.testing.assert_close(found, want)
    for one, other in zip(counted.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_statistics_of_repeats_are_not_taken_in_16_bits() -> None:
    """States differ by less than 16 bits can tell at their size."""
    torch.manual_seed(0)
    rows, repeats = torch.randn(40, 3) * 0.01 + 100, torch.arange(1.0, 41.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = Normalize(3)(rows, repeats, int(repeats.sum()))
    torch.testing.assert_close(found, Normalize(3)(rows, repeats, int(repeats.sum())))
    spread = torch.cov(found.T, fweights=repeats.long()).diagonal()
    torch.testing.assert_close(spread, torch.ones(3), rtol=1e-2, atol=0)


def test_one_node_has_no_statistics() -> None:
    layers = NodeLayers(4)
    single = Round(torch.randn(1, 4), torch.tensor([0]))
    assert torch.isfinite(layers(single)).all()
    torch.testing.assert_close(layers(single), layers(Round(single.states)))
    assert layers[0].num_batches_tracked == 0


@pytest.mark.parametrize("output", ["checkpoint", "fused"])
def test_with_the_junction_view_every_node_has_its_row(output) -> None:
    batch = golden_batch([0, 1])
    encoder = PharmHGT(PharmHGTConfig(hidden=16, output=output))
    found, out = encoder.embeddings(batch), encoder(batch)
    assert torch.equal(found["atom"].states, out.atom_embedding)
    assert torch.equal(found["fragment"].states, out.fragment_embedding)
    assert found["atom"].rows is None


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_gpu_gives_the_gradients_of_the_cpu_in_fine_tuning(pooling) -> None:
    """In float64: normalization makes rounding a hundred times as large, and ReLUs then switch."""
    batch = golden_batch([0, 1, 2, 3, 0, 1])
    networks = [network_of(True, pooling=pooling) for _ in range(2)]
    exact = outputs_and_gradients(networks[0], batch)
    found = outputs_and_gradients(networks[1].cuda(), batch.to("cuda"))
    for one, other in zip(found, exact, strict=True):
        assert (one.cpu() - other).norm() < 1e-8 * other.norm()


def outputs_and_gradients(
    network: TaskNetwork, batch: HeteroBatch
) -> tuple[torch.Tensor, torch.Tensor]:
    """All gradients are one vector: those in front of a normalization are zero but for rounding."""
    outputs = network.train()(batch)
    outputs.square().sum().backward()
    grads = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
    return outputs.detach(), torch.cat(grads)
