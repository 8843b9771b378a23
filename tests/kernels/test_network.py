"""The whole network with kernels gives the values and gradients of the network without."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from pepland_model.network import takers as by_takers
from pepland_model.network.kernels import devices as kernels
from tests.helpers.model_batches import batch_of, masked, padded, small_model
from tests.network.test_model_properties import assert_close, run

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason="on a card, test_cuda.py runs the network with kernels"
)
ROOM = {"atom": 6, "fragment": 3, "bond": 8, "reaction": 4}


class Launches:
    """Counts launches by the name of the kernel."""

    def __init__(self, monkeypatch) -> None:
        from pepland_model.network.kernels import sum_kernels

        kind, self.found = type(sum_kernels.row_kernel), Counter()
        original = kind.run

        def run(kernel, *args, **kwargs):
            if not kernel.fn.__name__.startswith("_"):  # those are of masks, edges and searches
                self.found[kernel.fn.__name__] += 1
            return original(kernel, *args, **kwargs)

        monkeypatch.setattr(kind, "run", run)


@pytest.fixture
def launches(monkeypatch) -> Launches:
    return Launches(monkeypatch)


def with_kernels(monkeypatch) -> None:
    monkeypatch.setattr(by_takers, "DEVICES", {"cpu", "cuda"})
    monkeypatch.setattr(kernels, "DEVICES", {"cpu", "cuda"})


@pytest.mark.parametrize("dedup", [True, False])
@pytest.mark.parametrize(
    "output", ["homo", pytest.param("checkpoint", marks=pytest.mark.slow), "fused"]
)
def test_values_and_gradients_equal_the_network_without(
    monkeypatch, launches, output, dedup
) -> None:
    batch = padded(batch_of([0, 3, 5]), ROOM, 2)
    batch = masked(batch, "pep", True)
    size = len(batch.atom_code), len(batch.fragment_code)
    net = small_model(output, dedup=dedup, depth=3)
    expected = run(net, batch, *size)
    assert launches.found.total() == 0
    with_kernels(monkeypatch)
    assert_close(run(net, batch, *size), expected)
    assert launches.found["forward_kernel"] == launches.found["node_kernel"] > 0
    assert launches.found["sum_kernel"] > launches.found["forward_kernel"]


def test_compilers_see_the_plain_operators(monkeypatch) -> None:
    with_kernels(monkeypatch)
    assert kernels.runs_on(torch.device("cpu"))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not kernels.runs_on(torch.device("cpu"))


def test_bfloat16_stays_close_to_float32(monkeypatch) -> None:
    batch, net = masked(batch_of([3, 5])), small_model("fused", dedup=False, depth=3)
    values, gradients = [], []
    for enabled in (False, True):
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = net(batch)
        assert out.atom_embedding.dtype == torch.float32
        (out.atom_embedding.square().mean() + out.fragment_embedding.square().mean()).backward()
        values.append(out.atom_embedding.detach())
        found = [p.grad.flatten() for p in net.parameters() if p.grad is not None]
        gradients.append(torch.cat(found))
        with_kernels(monkeypatch)
    assert (values[1] - values[0]).abs().max() < 0.05 * values[0].abs().max()
    assert torch.cosine_similarity(*gradients, dim=0) > 0.999


def test_a_round_launches_few_kernels(monkeypatch, launches) -> None:
    """Long rows take one launch more; this molecule has none."""
    batch, net = batch_of([13]), small_model(dedup=False, depth=3)
    with_kernels(monkeypatch)
    out, rounds, views = net(batch), net.config.rounds, 2
    # Attention, nodes, edges; the last layer has a sum of segments and one of its three parts.
    # Before them, weights and inputs get their spare columns.
    attention, last = views * rounds, views
    assert launches.found == {
        "layer_kernel": 2 * views,
        "forward_kernel": attention,
        "sum_kernel": attention + attention + last,
        "row_kernel": views + last,
    }
    launches.found.clear()
    (out.atom.sum() + out.fragment.sum()).backward()
    assert launches.found == {"node_kernel": attention, "row_kernel": 3 * attention + 2 * last}
