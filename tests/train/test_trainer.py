"""Pre-training of a tiny network on golden graphs: the files of a run, options, and bad input."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import pytest
import torch

from pepland_data.errors import InputError
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.run.checkpoint import checkpoints, read_checkpoint
from pepland_model.run.folder import locked
from pepland_model.run.log import events
from pepland_model.train import trainer
from pepland_model.train.mask import MaskOptions, mask_batch
from pepland_model.train.nonfinite import NonFiniteError
from pepland_model.train.out_of_memory import first_graphs
from pepland_model.train.step import PretrainUpdater
from tests.helpers import train_worker
from tests.helpers.page_reader import Reader, check_alone
from tests.helpers.pretrain_data import golden_batch
from tests.helpers.train_worker import losses, pretrain_tiny


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of 30 steps and its summary."""
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, pretrain_tiny(out, pictures=True)


def test_losses_fall_below_those_of_the_corpus_frequencies(tmp_path) -> None:
    flags = {"max_steps": 100, "log_every": 100, "eval_every": 0, "checkpoint_every": 0}
    summary = pretrain_tiny(tmp_path / "run", **flags)
    for term in ("atom", "fragment"):
        key = f"{term}_loss"
        assert summary["metrics"][key] < 0.95 * summary["baseline"][key]


def test_a_run_folder_holds_all_that_is_needed_to_repeat_it(finished) -> None:
    out, _ = finished
    names = {p.name for p in out.iterdir()}
    assert {"config.toml", "vocab.txt", "run.json", "metrics.jsonl", "summary.json"} <= names
    assert {"report.html", "loss.png", "tensorboard", "checkpoints", "best.json"} <= names
    facts = json.loads((out / "run.json").read_text())
    assert facts["versions"]["torch"] == torch.__version__


def test_the_report_needs_no_other_file_and_shows_the_curves(finished) -> None:
    page = (finished[0] / "report.html").read_text()
    assert Reader(page).tags.count("svg") >= 4
    assert "corpus frequencies" in page
    check_alone(page)


def test_every_step_is_logged_with_rate_waiting_share_and_memory(finished) -> None:
    lines = list(events(finished[0], "train"))
    assert [e["step"] for e in lines] == list(range(1, 31))
    assert {"loss", "atom_accuracy", "lr", "graphs_per_s", "waiting_share", "memory_gib"} <= set(
        lines[0]
    )


def test_old_checkpoints_are_deleted_and_the_best_is_kept(finished) -> None:
    out, summary = finished
    best = json.loads((out / "best.json").read_text())
    assert best["step"] == summary["best_step"]
    assert len(checkpoints(out)) <= 3


def test_another_seed_gives_other_losses(finished, tmp_path) -> None:
    pretrain_tiny(tmp_path / "other", seed=1, max_steps=1)
    assert losses(tmp_path / "other")[0] != losses(finished[0])[0]


def test_a_longer_run_resumes_a_shorter_one_with_bit_identical_losses(finished, tmp_path) -> None:
    pretrain_tiny(tmp_path / "run", max_steps=13)
    summary = pretrain_tiny(tmp_path / "run", max_steps=30)
    assert summary["steps"] == 30
    assert losses(tmp_path / "run", "train") == losses(finished[0], "train")


def test_a_finished_run_is_left_alone_by_the_same_command(finished) -> None:
    out, summary = finished
    before = losses(out)
    assert pretrain_tiny(out)["metrics"] == summary["metrics"]
    assert losses(out) == before


def test_accumulation_changes_no_loss(finished, tmp_path) -> None:
    pretrain_tiny(tmp_path / "parts", accumulate=4, max_steps=10)
    parts = losses(tmp_path / "parts")
    for mine, theirs in zip(parts, losses(finished[0])[: len(parts)], strict=True):
        assert mine[:2] == theirs[:2]
        assert mine[2] == pytest.approx(theirs[2], rel=1e-4)


def test_a_line_of_metrics_over_several_steps_is_the_same_after_a_resume(tmp_path) -> None:
    flags = {"log_every": 4, "eval_every": 0, "checkpoint_every": 0}
    pretrain_tiny(tmp_path / "whole", max_steps=12, **flags)
    pretrain_tiny(tmp_path / "cut", max_steps=6, **flags)
    pretrain_tiny(tmp_path / "cut", max_steps=12, **flags)
    whole = [e for e in losses(tmp_path / "whole") if e[1] % 4 == 0]
    assert len(whole) == 4
    assert [e for e in losses(tmp_path / "cut") if e[1] % 4 == 0] == whole


@pytest.mark.parametrize(
    "flags",
    [
        {"ema": 0.9, "clip": 1.0, "schedule": "cosine", "warmup_steps": 5},
        {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "noam", "warmup_steps": 5},
        {"precision": "bf16", "mode": "residue"},
        {"mode": "atom", "mask_bonds": True},
    ],
)
def test_a_resumed_run_repeats_an_undisturbed_one_with_every_option(flags, tmp_path) -> None:
    pretrain_tiny(tmp_path / "whole", max_steps=9, **flags)
    _stop_after(tmp_path / "cut", 6, max_steps=9, **flags)
    pretrain_tiny(tmp_path / "cut", max_steps=9, **flags)
    assert losses(tmp_path / "cut", "train") == losses(tmp_path / "whole", "train")


def _stop_after(out, step: int, **flags):
    """Run until a step, then ask the trainer to stop as SIGTERM does."""
    original = trainer.Trainer._step

    def stopping(self: trainer.Trainer) -> float:
        waited = original(self)
        if self.state.step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return waited

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "_step", stopping)
        return pretrain_tiny(out, **flags)


def test_sigterm_writes_a_checkpoint_and_says_so(tmp_path) -> None:
    summary = _stop_after(tmp_path / "run", 8, eval_every=0)
    assert summary["status"] == "SIGTERM"
    assert summary["exit_code"] == 143
    assert checkpoints(tmp_path / "run")[-1].name == "step-000000008"


def test_a_run_resumes_from_the_checkpoint_before_a_damaged_one(finished, tmp_path) -> None:
    pretrain_tiny(tmp_path / "run", max_steps=12, eval_every=0)
    weights = checkpoints(tmp_path / "run")[-1] / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="damaged"):
        pretrain_tiny(tmp_path / "run", max_steps=30, eval_every=0)
    assert losses(tmp_path / "run", "train") == losses(finished[0], "train")


def test_checkpoints_are_written_by_time_too(tmp_path) -> None:
    pretrain_tiny(
        tmp_path / "run", checkpoint_every=0, eval_every=0, checkpoint_minutes=1e-9, max_steps=4
    )
    steps = [int(p.name.removeprefix("step-")) for p in checkpoints(tmp_path / "run")]
    assert steps == [2, 3, 4] or steps == [3, 4]


def test_a_run_without_a_better_loss_stops_early(tmp_path) -> None:
    summary = pretrain_tiny(tmp_path / "run", lr=1e-9, eval_every=1, patience=2, max_steps=50)
    assert summary["steps"] < 50
    assert summary["status"] == "stopped early"


def test_a_full_disk_loses_a_checkpoint_but_not_the_run(tmp_path, monkeypatch) -> None:
    original, calls = trainer.write_checkpoint, []

    def sometimes_full(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return original(*arguments)

    monkeypatch.setattr(trainer, "write_checkpoint", sometimes_full)
    with pytest.warns(UserWarning, match="training continues"):
        summary = pretrain_tiny(tmp_path / "run", eval_every=0, max_steps=12)
    assert summary["steps"] == 12


def test_a_full_disk_at_the_end_is_an_error_and_keeps_the_previous_checkpoint(
    tmp_path, monkeypatch
) -> None:
    original = trainer.write_checkpoint

    def full_at_the_end(folder, values, tensors, extra):
        if values["step"] == 12:
            raise OSError(28, "No space left on device")
        return original(folder, values, tensors, extra)

    monkeypatch.setattr(trainer, "write_checkpoint", full_at_the_end)
    with pytest.raises(OSError, match="make room"):
        pretrain_tiny(tmp_path / "run", max_steps=12, eval_every=0, valid_fraction=0.0)
    assert read_checkpoint(checkpoints(tmp_path / "run")[-1]).state["step"] == 10


def test_nan_stops_the_run_and_writes_down_the_graphs(tmp_path, monkeypatch) -> None:
    original = PretrainUpdater.tally

    def sometimes_nan(self, masked, rooms=None):
        return original(self, masked, rooms) * (
            float("nan") if 17 in masked.batch.graph_index else 1
        )

    monkeypatch.setattr(PretrainUpdater, "tally", sometimes_nan)
    with pytest.raises(NonFiniteError, match="graph numbers"):
        pretrain_tiny(tmp_path / "run")
    document = json.loads((tmp_path / "run" / "nonfinite.json").read_text())
    assert 17 in document["graph_index"]
    for folder in checkpoints(tmp_path / "run"):
        for value in read_checkpoint(folder).tensors["weights"].values():
            assert value.isfinite().all()


def test_stage_two_takes_weights_heads_and_vocabulary(finished, tmp_path, capsys) -> None:
    summary = pretrain_tiny(tmp_path / "two", init_from=str(finished[0]), max_steps=1, lr=1e-9)
    assert summary["metrics"]["loss"] == pytest.approx(finished[1]["best_loss"], rel=1e-3)
    assert "vocabulary from" in capsys.readouterr().err


def test_stage_two_maps_another_vocabulary_by_smiles_and_names_new_fragments(
    finished, tmp_path, capsys, monkeypatch
) -> None:
    original = train_worker.open_golden

    def other(config, processes, source_vocabulary):
        data = original(config, processes, source_vocabulary)
        mixed = ("brand-new", *reversed(data.vocabulary.fragments))
        return replace(data, vocabulary=Vocabulary(mixed))

    monkeypatch.setattr(train_worker, "open_golden", other)
    summary = pretrain_tiny(tmp_path / "two", init_from=str(finished[0]), max_steps=1, lr=1e-9)
    assert summary["metrics"]["atom_loss"] == pytest.approx(
        json.loads((finished[0] / "best.json").read_text())["atom_loss"], rel=1e-3
    )
    assert "1 new fragments: brand-new" in capsys.readouterr().err


def test_freeze_trains_the_heads_only(finished, tmp_path) -> None:
    pretrain_tiny(tmp_path / "two", init_from=str(finished[0]), freeze=True, max_steps=3)
    first = read_checkpoint(
        finished[0] / json.loads((finished[0] / "best.json").read_text())["checkpoint"]
    ).tensors["weights"]
    second = read_checkpoint(checkpoints(tmp_path / "two")[-1]).tensors["weights"]
    same = {name: torch.equal(first[name], second[name]) for name in first}
    assert all(equal for name, equal in same.items() if name.startswith("encoder."))
    assert not same["heads.atom.weight"]


def test_a_run_with_other_settings_is_not_mixed_into_the_folder(finished) -> None:
    with pytest.raises(InputError, match=r"lr: 0.01 -> 0.5.*choose another --out"):
        pretrain_tiny(finished[0], lr=0.5)


def test_a_folder_that_is_not_a_run_folder_is_refused(tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(InputError, match="not a run folder"):
        pretrain_tiny(tmp_path)


def test_two_processes_do_not_write_one_run(tmp_path) -> None:
    with (
        locked(tmp_path / "run"),
        pytest.raises(InputError, match="another process"),
    ):
        pretrain_tiny(tmp_path / "run")


def test_a_batch_that_cannot_be_divided_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="multiple of 3"):
        pretrain_tiny(tmp_path / "run", accumulate=3)


@pytest.mark.parametrize(
    ("limit", "words"),
    [(5, "4 were tried and fit: --accumulate 2 gives the same losses with parts of 4"),
     (1, "1 were tried and fit: --accumulate 8 gives the same losses with parts of 1"),
     (0, "one graph alone does not fit either; try --activation-checkpointing")],
)  # fmt: skip
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_out_of_memory_says_what_was_tried_and_fits(
    tmp_path, monkeypatch, limit, words, error
) -> None:
    tally = PretrainUpdater.tally

    def full(self, masked, rooms=None):
        if masked.batch.num_graphs > limit:
            raise error
        return tally(self, masked, rooms)

    monkeypatch.setattr(PretrainUpdater, "tally", full)
    with pytest.raises(InputError, match=words):
        pretrain_tiny(tmp_path / "run")


def test_what_fits_is_tried_on_the_first_graphs_of_the_batch() -> None:
    options = MaskOptions(mask_bonds=True)
    cut = first_graphs(mask_batch(golden_batch(), options, 0, 0), 5)
    want = mask_batch(golden_batch(list(range(5))), options, 0, 0)
    for name in ("atom_target", "fragment_masked", "fragment_code", "bond_target"):
        assert torch.equal(getattr(cut, name), getattr(want, name))
    for name, value in vars(want.batch).items():
        if name != "tables":
            assert torch.equal(getattr(cut.batch, name), value), name


def test_other_errors_are_not_reported_as_out_of_memory(tmp_path, monkeypatch) -> None:
    def broken(self, masked, rooms=None):
        raise RuntimeError("a bug")

    monkeypatch.setattr(PretrainUpdater, "tally", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        pretrain_tiny(tmp_path / "run")


def test_fp16_scales_its_loss_and_keeps_the_scale_in_the_checkpoint(tmp_path) -> None:
    half, full = tmp_path / "half", tmp_path / "full"
    pretrain_tiny(half, precision="fp16", max_steps=20)
    pretrain_tiny(full, precision="fp32", max_steps=1)
    first, last = losses(half)[0][2], losses(half)[-1][2]
    assert first == pytest.approx(losses(full)[0][2], rel=1e-3)
    assert last < first / 2
    assert read_checkpoint(checkpoints(half)[-1]).state["scaler"]["scale"] >= 1
    assert not read_checkpoint(checkpoints(full)[-1]).state["scaler"]
