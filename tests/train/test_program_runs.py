"""Whole runs whose steps are fixed programs, as on a GPU: here operator by operator, on a CPU."""

from __future__ import annotations

import json

import pytest

from pepland_model.network import takers as by_takers
from pepland_model.network.fixed_program import FixedProgram
from pepland_model.network.states.rooms import Rooms
from pepland_model.run.checkpoint import checkpoints, read_checkpoint
from pepland_model.run.config import TrainConfig, with_flags
from pepland_model.run.log import events
from pepland_model.train.pretrain import pretrain
from pepland_model.train.step_program import StepProgram
from pepland_model.train.trainer import Trainer
from tests.helpers.golden_store import write_golden_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_golden_store(tmp_path_factory.mktemp("golden") / "store", slice(None), 10).path


@pytest.fixture
def as_programs(monkeypatch) -> None:
    """Take the branches of a GPU: steps are programs, gradients are by takers."""
    monkeypatch.setattr(by_takers, "DEVICES", {"cpu"})

    def made(trainer: Trainer) -> StepProgram:
        seed, parts = trainer.config.run.seed, trainer.config.data.accumulate
        return StepProgram(trainer.updater, trainer.masks, seed, "off", accumulate=parts)

    monkeypatch.setattr(Trainer, "_make_program", made)


def losses(store, out, **flags) -> list[float]:
    small = {"hidden": 24, "depth": 3, "batch_size": 8, "max_steps": 12, "log_every": 1,
             "eval_every": 5, "ema": 0.9, "clip": 1.0, "device": "cpu", "valid_fraction": 0.2,
             "shards": (str(store),), "out": str(out)}  # fmt: skip
    summary = pretrain(with_flags(TrainConfig(), {**small, **flags}))
    assert summary is not None
    assert summary["status"] == "finished"
    assert summary["metrics"]["loss"] > 0
    return [event["loss"] for event in events(out, "train")]


def test_a_run_of_programs_has_the_losses_of_a_plain_run(store, tmp_path, request) -> None:
    expected = losses(store, tmp_path / "plain")
    request.getfixturevalue("as_programs")
    assert losses(store, tmp_path / "programs") == pytest.approx(expected, rel=1e-4)
    state = read_checkpoint(checkpoints(tmp_path / "programs")[-1]).state
    assert state["program"]["graphs"] == 8
    assert "atom nodes 0" in state["program"]["rooms"]


def shrinking(monkeypatch, at: set[int]) -> list[int]:
    """Make the rooms too small before some steps of a run; return the steps that did not fit."""
    submit, again, seen = StepProgram.submit, FixedProgram._again, []

    def smaller(program, number, epoch, *batches):
        sizes = program.program.rooms.sizes
        if number in at and sizes:
            program.program.rooms = Rooms({n: max(1, s // 3) for n, s in sizes.items()})
        return submit(program, number, epoch, *batches)

    def counted(program, runs):
        seen.append(runs[0].tag[0])
        return again(program, runs)

    monkeypatch.setattr(StepProgram, "submit", smaller)
    monkeypatch.setattr(FixedProgram, "_again", counted)
    return seen


@pytest.mark.parametrize("overflow", [set(), {3}, {9}, {3, 9}])
def test_a_resumed_run_has_the_same_bits_with_an_overflow_before_or_after(
    store, tmp_path, monkeypatch, as_programs, overflow
) -> None:
    seen = shrinking(monkeypatch, overflow)
    whole = losses(store, tmp_path / "whole")
    first = list(seen)
    losses(store, tmp_path / "two", max_steps=6)
    assert losses(store, tmp_path / "two") == whole
    assert seen == 2 * first
    assert set(first) >= overflow


def test_a_run_in_fp16_has_the_losses_of_a_plain_one_and_resumes_with_its_scale(
    store, tmp_path, monkeypatch, request
) -> None:
    plain = losses(store, tmp_path / "plain", precision="fp16")
    request.getfixturevalue("as_programs")
    seen = shrinking(monkeypatch, {3, 9})
    whole = losses(store, tmp_path / "whole", precision="fp16")
    assert whole == pytest.approx(plain, rel=2e-3)
    losses(store, tmp_path / "two", precision="fp16", max_steps=6)
    assert losses(store, tmp_path / "two", precision="fp16") == whole
    assert len(seen) == 4
    ends = [checkpoints(tmp_path / run)[-1] for run in ("plain", "whole", "two")]
    scales = [read_checkpoint(end).state["scaler"] for end in ends]
    assert scales[0] == scales[1] == scales[2]
    assert scales[0]["scale"] > 1


@pytest.mark.parametrize("overflow", [set(), {3, 9}])
def test_a_run_of_several_parts_has_the_losses_of_a_plain_one_and_resumes_with_the_same_bits(
    store, tmp_path, monkeypatch, request, overflow
) -> None:
    """Twelve steps go over the end of an epoch, whose last step has fewer parts."""
    plain = losses(store, tmp_path / "plain", accumulate=4)
    request.getfixturevalue("as_programs")
    seen = shrinking(monkeypatch, overflow)
    whole = losses(store, tmp_path / "whole", accumulate=4)
    assert whole == pytest.approx(plain, rel=1e-4)
    losses(store, tmp_path / "two", accumulate=4, max_steps=6)
    assert losses(store, tmp_path / "two", accumulate=4) == whole
    assert len(seen) >= len(overflow)


def test_a_run_that_is_resumed_in_smaller_parts_has_smaller_arrays(
    store, tmp_path, as_programs
) -> None:
    """As after a run without enough memory."""
    whole = losses(store, tmp_path / "whole")
    losses(store, tmp_path / "two", max_steps=6)
    assert losses(store, tmp_path / "two", accumulate=2) == pytest.approx(whole, rel=1e-4)
    sizes = [
        read_checkpoint(checkpoints(tmp_path / run)[-1]).state["program"]
        for run in ("whole", "two")
    ]
    assert [s["graphs"] for s in sizes] == [8, 4]
    assert sizes[1]["rows"]["atom"] < sizes[0]["rows"]["atom"]


def test_a_checkpoint_of_a_plain_run_is_resumed_by_programs(store, tmp_path, request) -> None:
    plain = losses(store, tmp_path / "plain")
    losses(store, tmp_path / "two", max_steps=6)
    request.getfixturevalue("as_programs")
    assert losses(store, tmp_path / "two") == pytest.approx(plain, rel=1e-4)


def test_a_damaged_size_in_a_checkpoint_is_refused(store, tmp_path, as_programs) -> None:
    out = tmp_path / "run"
    losses(store, out, max_steps=6)
    path = checkpoints(out)[-1] / "state.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["program"]["rooms"]
    document["program"]["rooms"] = {"atom nodes 0": "many"}
    path.write_text(json.dumps(document), encoding="utf-8")
    assert (
        len(losses(store, out)) == 12
    )  # the checkpoint before it is taken, or the run begins anew
