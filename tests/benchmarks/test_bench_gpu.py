"""The parts of the GPU benchmark, run on a CPU."""

from __future__ import annotations

import pytest

from benchmarks.bench_gpu import TIERS, loaders, training
from tests.helpers.golden_store import write_golden_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return str(write_golden_store(tmp_path_factory.mktemp("gpu") / "s", slice(None), 10).path)


def test_every_tier_is_measured_alone_and_beside_a_step(store) -> None:
    found = loaders(store, 8, "cpu", 0.1)
    assert set(found) == set(TIERS)
    for one in found.values():
        assert one["graphs_per_s"] > 0
        assert 0 <= one["starved_share_of_5_ms_steps"] <= 1


def test_training_is_measured_by_the_metrics_of_the_run(store, tmp_path) -> None:
    small = {"device": "cpu", "hidden": 16, "depth": 2, "batch_size": 8}
    found = training(store, "host", 20, tmp_path / "run", **small)
    assert found["graphs_per_s"] > 0
    assert 0 <= found["waiting_share"] <= 1
    assert found["device_idle_share"] is None
    assert found["loss"] > 0
