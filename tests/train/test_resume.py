"""Kill a run with SIGKILL at any moment, then resume it: the losses are bit-identical."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.helpers.train_worker import end, losses, pretrain_tiny, start

STEP = "pepland_model.train.step:PretrainUpdater"
MOMENTS = {
    "before the first checkpoint": f"{STEP}.step@3",
    "between gradient and update": f"{STEP}._apply_gradients@13",
    "while a checkpoint is half written": "pepland_model.run.checkpoint:write_tensors@9",
    "before a checkpoint is renamed": "pepland_model.run.checkpoint:os.replace@3",
    "between checkpoint and pruning": "pepland_model.train.trainer:prune@3",
    "in an evaluation": "pepland_model.train.trainer:Trainer._evaluate@2",
    "while metrics are written": "pepland_model.run.log:RunLog._mirror@25",
    "while the report is written": "pepland_model.train.pretrain:write_report@1",
}
QUICK = ("while a checkpoint is half written",)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    pretrain_tiny(out)
    return losses(out)


@pytest.mark.parametrize(
    "moment", [pytest.param(m, marks=() if m in QUICK else pytest.mark.slow) for m in MOMENTS]
)
def test_a_run_killed_at_any_moment_ends_with_the_same_losses(
    tmp_path, undisturbed, moment
) -> None:
    out = tmp_path / "run"
    assert end(start(pretrain_tiny, out, die=MOMENTS[moment])) == -signal.SIGKILL
    pretrain_tiny(out)
    assert losses(out) == undisturbed


def test_a_run_killed_twice_ends_with_the_same_losses(tmp_path, undisturbed, capsys) -> None:
    out = tmp_path / "run"
    # The second process starts at step 5, is killed at step 14 and leaves a checkpoint at 10.
    for call in (7, 9):
        assert end(start(pretrain_tiny, out, die=f"{STEP}.step@{call}")) == -signal.SIGKILL
    pretrain_tiny(out)
    assert "resuming from step 10" in capsys.readouterr().err
    assert losses(out) == undisturbed


def test_ctrl_c_writes_a_checkpoint_before_the_process_ends(tmp_path) -> None:
    out = tmp_path / "run"
    flags = {"max_steps": 1_000_000, "checkpoint_every": 0, "eval_every": 0}
    process = start(pretrain_tiny, out, **flags)
    while process.is_alive() and len(losses(out)) < 2:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    assert end(process) == 130
    assert list((out / "checkpoints").glob("step-*/state.json"))
