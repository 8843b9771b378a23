"""One, two and four processes on a CPU: the same losses, and one run across all of them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.train_worker import end, losses, pretrain_tiny, start

STEPS = 12


def train_in(out: Path, size: int, die: str = "") -> list[int]:
    """Train in several processes with the variables of ``torchrun``; `die` is for the last rank."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    started = []
    for rank in range(size):
        variables = {"WORLD_SIZE": str(size), "RANK": str(rank), "LOCAL_RANK": str(rank),
                     "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
        fatal = die if rank == size - 1 else ""
        started.append(start(pretrain_tiny, out, die=fatal, environment=variables, max_steps=STEPS))
    return [end(process) for process in started]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> list:
    """Losses of a run in one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    pretrain_tiny(out, max_steps=STEPS)
    return losses(out)


def assert_same(mine: list, theirs: list) -> None:
    assert [e[:2] for e in mine] == [e[:2] for e in theirs]
    assert [e[2] for e in mine] == pytest.approx([e[2] for e in theirs], rel=2e-4)


@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_have_the_losses_of_one(tmp_path, alone, size) -> None:
    out = tmp_path / "run"
    assert train_in(out, size) == [0] * size
    assert_same(losses(out), alone)


def test_a_run_with_a_killed_rank_resumes_with_another_number_of_ranks(tmp_path, alone) -> None:
    out = tmp_path / "run"
    first, last = train_in(out, 2, die="pepland_model.train.step:PretrainUpdater.step@8")
    assert last == -signal.SIGKILL
    assert first != 0
    pretrain_tiny(out, max_steps=STEPS)
    assert_same(losses(out), alone)


@pytest.mark.slow
def test_torchrun_starts_a_run(tmp_path, alone) -> None:
    out = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    worker = ["--nproc-per-node", "2", "-m", "tests.helpers.train_worker", str(out), str(STEPS)]
    done = subprocess.run([*launcher, *worker], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_same(losses(out), alone)
