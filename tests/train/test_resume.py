"""kill -9 at any moment, then the same command: the losses of an undisturbed run, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.pretrain_worker import losses

MOMENTS = {
    "before the first checkpoint": "pepland_model.train.step:Stepper.step@3",
    "between gradient and update": "pepland_model.train.step:Stepper._update@13",
    "while a checkpoint is half written": "pepland_model.run.checkpoint:write_tensors@9",
    "before a checkpoint is renamed": "pepland_model.run.checkpoint:os.replace@2",
    "between checkpoint and pruning": "pepland_model.train.trainer:prune@3",
    "in an evaluation": "pepland_model.train.trainer:evaluate@2",
    "while metrics are written": "pepland_model.run.log:RunLog._mirror@25",
    "while the report is written": "pepland_model.train.pretrain:write_report@1",
}
QUICK = ("while a checkpoint is half written",)


def worker(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.helpers.pretrain_worker", str(out), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    assert worker(out).returncode == 0
    return losses(out)


@pytest.mark.parametrize(
    "moment", [pytest.param(m, marks=() if m in QUICK else pytest.mark.slow) for m in MOMENTS]
)
def test_a_run_killed_at_any_moment_ends_with_the_same_losses(
    tmp_path, undisturbed, moment
) -> None:
    out = tmp_path / "run"
    killed = worker(out, f"die={MOMENTS[moment]}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = worker(out)
    assert again.returncode == 0, again.stderr
    assert losses(out) == undisturbed


def test_a_run_killed_again_and_again_ends_with_the_same_losses(tmp_path, undisturbed) -> None:
    out = tmp_path / "run"
    # The second life starts at step 5, is killed at step 14 and leaves a checkpoint at 10.
    for call in (7, 9):
        assert worker(out, f"die=pepland_model.train.step:Stepper.step@{call}").returncode < 0
    again = worker(out)
    assert "going on from step" in again.stderr
    assert losses(out) == undisturbed


def test_ctrl_c_writes_a_checkpoint_before_the_process_ends(tmp_path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "tests.helpers.pretrain_worker", str(out), "max_steps=1000000"]
    with subprocess.Popen(
        [*command, "checkpoint_every=0", "eval_every=0"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stderr is not None
        while "loss" not in process.stderr.readline():
            pass
        while "] " not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130
    assert list((out / "checkpoints").glob("step-*/state.json"))
