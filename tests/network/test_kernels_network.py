"""The whole network with kernels gives the values and gradients of the network without."""

from __future__ import annotations

import pytest
import torch

from pepland_model.network import kernels
from pepland_model.network import takers as by_takers
from pepland_model.network.plain_pharmhgt import PlainPharmHGT
from tests.helpers.model_batches import batch_of, masked, padded, small_model
from tests.network.test_model_properties import assert_close, run

pytest.importorskip("triton")
ROOM = {"atom": 20, "fragment": 5, "bond": 30, "reaction": 8}


@pytest.fixture
def on_cpu(monkeypatch) -> None:
    monkeypatch.setattr(by_takers, "DEVICES", {"cpu", "cuda"})
    monkeypatch.setattr(kernels, "DEVICES", {"cpu", "cuda"})


@pytest.mark.parametrize("dedup", [True, False])
@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
def test_values_and_gradients_equal_the_plain_network(on_cpu, output, dedup) -> None:
    batch = batch_of([0, 2, 3, 5, 12])
    size = len(batch.atom_code), len(batch.fragment_code)
    fast_batch = masked(padded(batch, ROOM, 2) if dedup else batch, "pep", True)
    expected = run(small_model(output, PlainPharmHGT, depth=3), masked(batch, "pep", True), *size)
    assert_close(run(small_model(output, dedup=dedup, depth=3), fast_batch, *size), expected)
