"""One, two and four processes on a CPU: the same losses, and one run across all of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.pretrain_worker import losses

STEPS = "max_steps=12"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def world(out: Path, size: int, *arguments: str) -> list[int]:
    """Run the worker in several processes as ``torchrun`` would start them."""
    command = [sys.executable, "-m", "tests.helpers.pretrain_worker", str(out), STEPS, *arguments]
    common = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    common["MASTER_PORT"] = str(free_port())
    started = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.DEVNULL,
        )
        for rank in range(size)
    ]
    return [process.wait(timeout=120) for process in started]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> list:
    out = tmp_path_factory.mktemp("alone") / "run"
    assert world(out, 1) == [0]
    return losses(out)


def assert_same(mine: list, theirs: list) -> None:
    assert [e[:2] for e in mine] == [e[:2] for e in theirs]
    assert [e[2] for e in mine] == pytest.approx([e[2] for e in theirs], rel=2e-4)


@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_have_the_losses_of_one(tmp_path, alone, size) -> None:
    out = tmp_path / "run"
    assert world(out, size) == [0] * size
    assert_same(losses(out), alone)


def test_a_rank_is_killed_and_the_run_goes_on_with_another_number_of_ranks(tmp_path, alone) -> None:
    out = tmp_path / "run"
    codes = world(out, 2, "die=pepland_model.train.step:Stepper.step@8", "rank=1")
    assert codes[1] == -signal.SIGKILL
    assert codes[0] != 0
    assert world(out, 1) == [0]
    assert_same(losses(out), alone)


@pytest.mark.slow
def test_torchrun_starts_a_run(tmp_path, alone) -> None:
    out = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [
        *launcher,
        "--nproc-per-node",
        "2",
        "-m",
        "tests.helpers.pretrain_worker",
        str(out),
        STEPS,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_same(losses(out), alone)
