"""Runs on a CUDA device, on a store that is written without RDKit."""

from __future__ import annotations

import pytest
import torch

from pepland_model.run.checkpoint import checkpoints, read_checkpoint
from pepland_model.run.config import TrainConfig, with_flags
from pepland_model.run.log import events
from pepland_model.train.pretrain import pretrain
from tests.helpers.golden_store import write_golden_store

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_golden_store(tmp_path_factory.mktemp("golden") / "store", slice(None), 10).path


def losses(store, out, **flags) -> list[float]:
    """The training losses of a small run."""
    small = {"hidden": 32, "depth": 3, "batch_size": 16, "max_steps": 6, "log_every": 1,
             "eval_every": 0, "shards": (str(store),), "out": str(out)}  # fmt: skip
    summary = pretrain(with_flags(TrainConfig(), {**small, **flags}))
    assert summary is not None
    assert summary["status"] == "finished"
    return [event["loss"] for event in events(out, "train")]


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("tier", ["mmap", "host", "device"])
def test_a_run_on_a_gpu_has_the_losses_of_the_cpu(store, tmp_path, tier) -> None:
    expected = losses(store, tmp_path / "cpu", device="cpu")
    made = losses(store, tmp_path / "gpu", device="cuda", precision="fp32", tier=tier)
    assert made == pytest.approx(expected, rel=1e-3)


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_low_precisions_start_where_float32_starts(store, tmp_path, precision) -> None:
    expected = losses(store, tmp_path / "cpu", device="cpu")
    made = losses(store, tmp_path / "gpu", device="cuda", precision=precision)
    assert made[0] == pytest.approx(expected[0], rel=2e-2)
    assert made[-1] < made[0]


@pytest.mark.cuda
@needs_cuda
def test_a_resumed_run_has_the_same_losses(store, tmp_path) -> None:
    whole = losses(store, tmp_path / "whole", device="cuda", precision="fp32")
    losses(store, tmp_path / "two", device="cuda", precision="fp32", max_steps=3)
    again = losses(store, tmp_path / "two", device="cuda", precision="fp32")
    assert again == pytest.approx(whole, rel=1e-5)


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("output", ["homo", "fused"])
def test_a_recorded_run_has_the_bits_of_one_that_is_not(store, tmp_path, output) -> None:
    options = {"device": "cuda", "output": output, "max_steps": 12, "mask_bonds": True}
    plain = losses(store, tmp_path / "off", graph="off", **options)
    assert losses(store, tmp_path / "on", graph="on", **options) == plain


@pytest.mark.cuda
@needs_cuda
def test_a_recorded_run_that_resumes_has_the_same_bits(store, tmp_path) -> None:
    options = {"device": "cuda", "graph": "on"}
    whole = losses(store, tmp_path / "whole", **options, max_steps=10)
    losses(store, tmp_path / "two", **options, max_steps=5)
    assert losses(store, tmp_path / "two", **options, max_steps=10) == whole


def scaler_of(out) -> dict[str, float]:
    """The loss scale in the last checkpoint of a run."""
    return read_checkpoint(checkpoints(out)[-1]).state["scaler"]


@pytest.mark.cuda
@needs_cuda
def test_a_recorded_run_in_fp16_has_the_bits_of_one_that_is_not_and_resumes_with_them(
    store, tmp_path
) -> None:
    options = {"device": "cuda", "precision": "fp16", "clip": 1.0, "ema": 0.9}
    plain = losses(store, tmp_path / "off", graph="off", **options, max_steps=10)
    assert losses(store, tmp_path / "on", graph="on", **options, max_steps=10) == plain
    losses(store, tmp_path / "two", graph="on", **options, max_steps=5)
    assert losses(store, tmp_path / "two", graph="on", **options, max_steps=10) == plain
    scales = [scaler_of(tmp_path / name) for name in ("off", "on", "two")]
    assert scales[0] == scales[1] == scales[2]
    assert scales[0]["scale"] > 1


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_recorded_run_of_several_parts_has_the_bits_of_one_that_is_not_and_resumes_with_them(
    store, tmp_path, precision
) -> None:
    options = {"device": "cuda", "precision": precision, "accumulate": 4, "clip": 1.0, "ema": 0.9}
    plain = losses(store, tmp_path / "off", graph="off", **options, max_steps=10)
    assert losses(store, tmp_path / "on", graph="on", **options, max_steps=10) == plain
    losses(store, tmp_path / "two", graph="on", **options, max_steps=5)
    assert losses(store, tmp_path / "two", graph="on", **options, max_steps=10) == plain
    one = losses(store, tmp_path / "one", device="cuda", precision=precision, clip=1.0, ema=0.9,
                 max_steps=10)  # fmt: skip
    assert plain == pytest.approx(one, rel=1e-3 if precision == "fp32" else 2e-2)


def test_the_same_runs_on_a_cpu_are_repeatable(store, tmp_path) -> None:
    first = losses(store, tmp_path / "first", device="cpu")
    losses(store, tmp_path / "two", device="cpu", max_steps=3)
    assert losses(store, tmp_path / "two", device="cpu") == first
