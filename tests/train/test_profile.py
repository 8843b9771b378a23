"""The profile of a run: its table, what limits the speed, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pepland_model.run.config import SECTIONS
from pepland_model.train.profile import REMEDIES, Profile, bottleneck, operations, profile_steps
from tests.helpers.train_worker import pretrain_tiny

LIMITS = {
    (0.2, 0.9, 0.95): "data",
    (0.0, 0.4, 0.95): "memory",
    (0.0, 0.9, 0.95): "memory",
    (0.0, 0.4, 0.5): "host",
    (0.0, 0.9, 0.5): "device",
}
"""Shares of waiting, computing and memory -> limit."""


def test_profile_writes_a_trace_and_a_table_of_operations(tmp_path, capsys) -> None:
    pretrain_tiny(tmp_path / "run", max_steps=5, profile=True)
    assert (tmp_path / "run" / "profile" / "trace.json").is_file()
    shown = capsys.readouterr().err
    rows = re.findall(r"^ +([\d.]+) +([\d.]+)% +([\d.]+)  (aten::\S+)$", shown, re.MULTILINE)
    step_ms = float(re.search(r"([\d.]+) ms per step, ", shown)[1])
    ms, shares, calls = (column(rows, i) for i in range(3))
    assert len(rows) > 5
    assert ms == sorted(ms, reverse=True)
    assert 0 < sum(shares) <= 100 + 0.05 * len(rows)  # each is rounded to 0.1
    assert sum(shares) == pytest.approx(100 * sum(ms) / step_ms, abs=1)
    assert min(calls) > 0
    assert sum(shown.count(f"limits the speed: {remedy}") for remedy in REMEDIES.values()) == 1


def column(rows, place) -> list[float]:
    return [float(row[place]) for row in rows]


@pytest.mark.parametrize("shares", LIMITS)
def test_the_profile_names_what_limits_and_a_remedy(shares) -> None:
    assert bottleneck(*shares) == LIMITS[shares]
    text = Profile([], 10.0, *shares, Path("trace.json")).text()
    assert text.endswith(f"\nthe {LIMITS[shares]} limits the speed: {REMEDIES[LIMITS[shares]]}")
    assert f"{shares[2]:.0%} of its memory used" in text


def test_every_remedy_belongs_to_a_limit_and_names_options_that_exist() -> None:
    assert set(REMEDIES) == set(LIMITS.values())
    known = {f"--{f.name.replace('_', '-')}" for keys in SECTIONS.values() for f in fields(keys)}
    for remedy in REMEDIES.values():
        named = set(re.findall(r"--[a-z-]+", remedy))
        assert named
        assert named <= known


@pytest.mark.parametrize(
    ("device", "names"), [("cuda", ["gemm", "add"]), ("cpu", ["aten::mm", "cudaLaunchKernel"])]
)
def test_each_piece_of_time_counts_once(device, names) -> None:
    """On a GPU, the profiler gives the time of a kernel to its operator and to marks too."""

    def average(key, kind, cpu_us, device_us, mark=False) -> SimpleNamespace:
        return SimpleNamespace(
            key=key, device_type=SimpleNamespace(name=kind), is_user_annotation=mark, count=3,
            self_cpu_time_total=cpu_us, self_device_time_total=device_us,
        )  # fmt: skip

    averages = [
        average("Adam.step", "CPU", 500, 0, mark=True), average("aten::mm", "CPU", 400, 1200),
        average("cudaLaunchKernel", "CPU", 300, 0), average("add", "CUDA", 0, 400),
        average("Adam.step", "CUDA", 0, 1600, mark=True), average("gemm", "CUDA", 0, 1200),
    ]  # fmt: skip
    found = operations(averages, 2, 1.0, torch.device(device))
    assert [op.name for op in found] == names
    total_us = {"cuda": 1600, "cpu": 700}[device]
    assert sum(op.share for op in found) == pytest.approx(total_us / 2 / 1000)
    assert [op.calls for op in found] == [1.5, 1.5]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_shares_of_kernels_add_up_to_at_most_one(tmp_path) -> None:
    device = torch.device("cuda")
    weights = torch.randn(2048, 2048, device=device, requires_grad=True)

    def step() -> float:
        (weights @ weights).relu().sum().backward()
        return 0.0

    step()
    found = profile_steps(step, 3, tmp_path, device)
    assert 0 < sum(op.share for op in found.operations) <= 1
    assert 0 < found.memory_share < 1
    assert not any(op.name.startswith("aten::") for op in found.operations)
