"""Fine-tuning: targets, sets, metrics, files, kills, bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file
from torch.nn.functional import batch_norm

from pepland_cli.train import main
from pepland_data import open_store
from pepland_data.errors import InputError
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import open_split, write_split
from pepland_model.finetune import finetune as finetune_module
from pepland_model.finetune.confidence_interval import interval
from pepland_model.finetune.metrics import classification_metrics, regression_metrics
from pepland_model.finetune.readout import Normalize
from pepland_model.finetune.targets import classes_of, numbers_of
from pepland_model.finetune.task_data import TaskData, class_weights
from pepland_model.finetune.task_network import Task
from pepland_model.finetune.task_step import TaskUpdater
from pepland_model.run.config import task_defaults, with_flags
from pepland_model.run.log import events
from pepland_model.train.nonfinite import NonFiniteError
from tests.helpers.train_worker import end, finetune_small, start


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--device", "cpu"])


def rows_of(out: Path, **wanted) -> list[dict]:
    rows = pq.read_table(out / "predictions.parquet").to_pylist()
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_metrics_are_those_of_the_predictions_in_the_file(regression) -> None:
    out, summary = regression
    for one in summary["by_seed"]:
        for name in ("train", "valid", "test"):
            rows = rows_of(out, seed=one["seed"], set=name)
            target = np.array([row["target"] for row in rows])
            guess = np.array([row["prediction"] for row in rows])
            assert regression_metrics(target, guess) == pytest.approx(one["metrics"][name])


def test_every_peptide_with_a_target_is_predicted_once_a_seed_in_the_set_of_its_split(
    regression, store
) -> None:
    out, _ = regression
    opened = open_store(store)
    for seed in (0, 1):
        split = open_split(opened, f"random-{seed}")
        rows = rows_of(out, seed=seed)
        assert sorted(row["row_id"] for row in rows) == [i for i in range(36) if i != 3]
        for row in rows:
            assert row["set"] == split.sets[split.assignment[row["row_id"]]]
            assert row["text"] == opened.smiles[row["row_id"]]
            assert row["target"] == pytest.approx(opened.columns["affinity"][row["row_id"]])


def test_a_property_that_can_be_learned_is_learned(regression) -> None:
    out, _ = regression
    losses = [event["loss"] for event in events(out / "seed-0", "train")]
    assert np.mean(losses[-3:]) < 0.3 * np.mean(losses[:3])


def test_intervals_are_students_over_the_seeds(regression) -> None:
    _, summary = regression
    values = [one["metrics"]["test"]["rmse"] for one in summary["by_seed"]]
    assert summary["metrics"]["test"]["rmse"] == pytest.approx(interval(values))
    assert summary["metrics"]["test"]["rmse"]["n"] == 2
    assert values[0] != values[1]


def test_the_encoder_learns_unless_it_is_frozen(encoder, regression, frozen) -> None:
    before = load_file(encoder / "model.safetensors")
    tuned = load_file(regression[0] / "seed-0" / "model" / "model.safetensors")
    assert any(not torch.equal(before[name], tuned[name]) for name in before)
    kept = load_file(frozen[0] / "seed-0" / "model" / "model.safetensors")
    assert all(torch.equal(before[name], kept[name]) for name in before)
    assert frozen[1]["status"] == "finished"


def test_vectors_kept_for_a_frozen_encoder_change_nothing(store, encoder, tmp_path) -> None:
    class OnGraphs(finetune_module.SeedRun):
        def __init__(self, config, data, task, network, features, *rest) -> None:
            super().__init__(config, data, task, network, None, *rest)

    flags = {"init_from": str(encoder), "freeze": True, "seeds": 1, "dropout": 0.0, "epochs": 3}
    # One batch an epoch: then the two loaders' orders do not matter.
    finetune_small(store, tmp_path / "kept", **flags, batch_size=64)
    with mock.patch.object(finetune_module, "SeedRun", OnGraphs):
        finetune_small(store, tmp_path / "plain", **flags, batch_size=64)
    kept, plain = (
        np.array([row["prediction"] for row in rows_of(tmp_path / name)])
        for name in ("kept", "plain")
    )
    np.testing.assert_allclose(kept, plain, rtol=1e-4)


def test_a_batch_of_one_peptide_is_trained_on(store, tmp_path) -> None:
    summary = finetune_small(store, tmp_path / "run", epochs=1, seeds=1, batch_size=1)
    assert np.isfinite(summary["metrics"]["test"]["rmse"]["mean"])


def test_a_new_encoder_differs_between_seeds(store, tmp_path) -> None:
    finetune_small(store, tmp_path / "run", freeze=True, epochs=1)
    first, second = (
        load_file(tmp_path / "run" / f"seed-{i}" / "model" / "model.safetensors") for i in (0, 1)
    )
    assert not torch.equal(first["w_atom.weight"], second["w_atom.weight"])


@pytest.mark.parametrize("target", ["label", "kind"])
def test_classification_has_probabilities_and_their_metrics(store, tmp_path, target) -> None:
    out = tmp_path / "run"
    summary = finetune_small(store, out, task="classification", target=target, epochs=1, seeds=1)
    classes = {"label": ["0", "1"], "kind": ["a", "b", "c"]}[target]
    rows = rows_of(out, set="train")
    shares = np.array([[row[f"probability_{c}"] for c in classes] for row in rows])
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert [row["prediction"] for row in rows] == [classes[i] for i in shares.argmax(1)]
    known = np.array([classes.index(row["target"]) for row in rows])
    want = classification_metrics(known, shares)
    assert want == pytest.approx(summary["by_seed"][0]["metrics"]["train"], nan_ok=True)


def test_class_weights_are_balanced_none_or_given() -> None:
    counts = np.array([30, 10])
    assert class_weights("balanced", counts, "ab") == pytest.approx((40 / 60, 2.0))
    assert class_weights("none", counts, "ab") == (1.0, 1.0)
    assert class_weights("1,3", counts, "ab") == (1.0, 3.0)
    for text in ("1", "1,x", "1,2,3", "-1,2", "0,0"):
        with pytest.raises(InputError, match="2 numbers"):
            class_weights(text, counts, "ab")
    with pytest.raises(InputError, match="'b' has no training"):
        class_weights("balanced", np.array([3, 0]), "ab")


def test_a_weighted_loss_is_that_of_repeated_rows() -> None:
    task = Task("classification", ("x",), ("a", "b"), weights=(1.0, 3.0))
    plain = Task("classification", ("x",), ("a", "b"), weights=(1.0, 1.0))
    outputs, target = torch.randn(6, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    repeated = torch.cat([outputs, outputs[target == 1], outputs[target == 1]])
    again = torch.cat([target, target[target == 1], target[target == 1]])
    torch.testing.assert_close(
        task.loss_sum(outputs, target) / task.weight_sum(target),
        plain.loss_sum(repeated, again) / plain.weight_sum(again),
    )


def test_accumulated_parts_with_the_same_statistics_make_the_same_step(
    store, tmp_path, monkeypatch
) -> None:
    def as_in_evaluation(self: Normalize, rows: torch.Tensor, *repeats: object) -> torch.Tensor:
        known = self.running_mean, self.running_var, self.weight, self.bias
        return batch_norm(rows, *known, training=False, eps=self.eps)

    monkeypatch.setattr(Normalize, "forward", as_in_evaluation)
    flags = {"seeds": 1, "dropout": 0.0, "epochs": 2, "batch_size": 8}
    finetune_small(store, tmp_path / "one", **flags)
    finetune_small(store, tmp_path / "two", **flags, accumulate=2)
    one, two = ([row["prediction"] for row in rows_of(tmp_path / n)] for n in ("one", "two"))
    np.testing.assert_allclose(one, two, rtol=1e-4)


MOMENTS = {
    "in the first epoch": "pepland_model.finetune.task_step:TaskUpdater.step@2",
    "in the second seed": "pepland_model.finetune.task_step:TaskUpdater.step@17",
    "while a checkpoint is half written": "pepland_model.run.checkpoint:write_tensors@6",
    "in an evaluation": "pepland_model.finetune.seed_run:SeedRun.predict@3",
    "before predictions are written": "pepland_model.finetune.finetune:write_seed_predictions@1",
    "before the second model is written": "pepland_model.finetune.finetune:save_task@2",
    "before the summary is written": "pepland_model.finetune.finetune:join_predictions@1",
}
QUICK = ("in the second seed",)


@pytest.fixture(scope="module")
def undisturbed(store, tmp_path_factory) -> bytes:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    finetune_small(store, out)
    return (out / "predictions.parquet").read_bytes()


@pytest.mark.parametrize(
    "moment", [pytest.param(m, marks=() if m in QUICK else pytest.mark.slow) for m in MOMENTS]
)
def test_a_run_killed_at_any_moment_ends_with_bit_identical_predictions(
    store, tmp_path, undisturbed, moment
) -> None:
    out = tmp_path / "run"
    assert end(start(finetune_small, store, out, die=MOMENTS[moment])) == -signal.SIGKILL
    finetune_small(store, out)
    assert (out / "predictions.parquet").read_bytes() == undisturbed
    assert not list(out.rglob("*.tmp"))
    assert not list(out.rglob("checkpoints"))


@pytest.mark.parametrize("steps", [0, 7])
def test_sigterm_writes_a_checkpoint_and_the_same_command_resumes(
    store, tmp_path, undisturbed, steps
) -> None:
    out, step, build = tmp_path / "run", TaskUpdater.step, TaskUpdater.__init__

    def terminated(self, number, parts):
        if number == steps - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, parts)

    def terminated_before(self, *arguments):
        build(self, *arguments)
        if steps == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    with (
        mock.patch.object(TaskUpdater, "step", terminated),
        mock.patch.object(TaskUpdater, "__init__", terminated_before),
    ):
        summary = finetune_small(store, out, checkpoint_minutes=0.0)
    assert (summary["status"], summary["exit_code"]) == ("SIGTERM", 143)
    assert [p.name for p in (out / "seed-0" / "checkpoints").iterdir()] == [f"step-{steps:09d}"]
    assert finetune_small(store, out, checkpoint_minutes=0.0)["status"] == "finished"
    assert (out / "predictions.parquet").read_bytes() == undisturbed


def test_more_seeds_join_a_finished_run(store, tmp_path) -> None:
    first = finetune_small(store, tmp_path / "run", seeds=1, epochs=1)
    both = finetune_small(store, tmp_path / "run", seeds=2, epochs=1)
    assert both["by_seed"][0] == first["by_seed"][0]
    assert both["seeds_done"] == 2


def test_a_loss_that_is_not_finite_stops_and_names_its_peptides(store, tmp_path) -> None:
    with pytest.raises(NonFiniteError, match="not finite"):
        finetune_small(store, tmp_path / "run", head_lr=1e30, lr=1e30, epochs=20, seeds=1)
    found = json.loads((tmp_path / "run" / "seed-0" / "nonfinite.json").read_text())
    assert 1 <= len(found["graph_index"]) <= 8


def test_a_folder_with_sets_as_stores_is_taken_as_it_is(store, tmp_path) -> None:
    (tmp_path / "data").mkdir()
    for part in ("train", "test"):
        (tmp_path / "data" / part).symlink_to(store)
    summary = finetune_small(tmp_path / "data", tmp_path / "run", epochs=1, seeds=1)
    assert summary["data"]["train peptides"] == summary["data"]["test peptides"] == 35
    assert set(summary["metrics"]) == {"train", "test"}


def test_the_command_prints_metrics_with_intervals(store, encoder, tmp_path) -> None:
    arguments = ["--task", "regression", "--target", "affinity", "--shards", store, "--init-from",
                 encoder, "--freeze", "--epochs", 2, "--seeds", 2]  # fmt: skip
    result = call(*arguments, "--out", tmp_path / "a")
    assert result.exit_code == 0, result.output
    assert "regression of affinity, 2 of 2 models" in result.stdout
    assert "test rmse" in result.stdout
    again = call("--config", tmp_path / "a" / "config.toml", "--out", tmp_path / "b", "--json")
    summary = json.loads(again.stdout)
    before = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["metrics"] == before["metrics"]


FINE = ["--task", "regression", "--target", "affinity"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--task", "regression"], 1, "needs --target"),
        (["--task", "regression", "--target", "x"], 1, "it has affinity, level, label, kind"),
        (["--task", "regression", "--target", "kind"], 1, "regression needs numbers"),
        (["--task", "ranking", "--target", "affinity"], 2, "ranking"),
        ([*FINE, "--split", "folds"], 1, "no split 'folds'"),
        ([*FINE, "--init-from", "nowhere"], 1, "nowhere"),
        ([*FINE, "--init-from", "ENCODER", "--hidden", 24], 1, "leave out --hidden"),
        ([*FINE, "--seeds", 0], 1, "seeds"),
        ([*FINE, "--dropout", 1], 1, "dropout"),
        ([*FINE, "--ema", 0.9], 1, "--ema"),
        ([*FINE, "--batch-size", 9, "--accumulate", 2], 1, "multiple"),
        ([*FINE, "--device", "cuda:9"], 1, "GPU"),
        ([*FINE, "--resume"], 1, "no run to resume"),
        ([*FINE, "--class-weights", "1", "--task", "classification", "--target", "label"], 1,
         "2 numbers"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_an_exit_code(
    store, encoder, tmp_path, arguments, code, words
) -> None:
    given = [str(encoder) if a == "ENCODER" else str(a) for a in arguments]
    extra = [] if "--device" in given else ["--device", "cpu"]
    more = ["--shards", str(store), "--out", str(tmp_path / "run"), "--max-steps", "1"]
    result = CliRunner().invoke(main, [*given, *extra, *more])
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_column_with_too_many_values_is_no_classification(tmp_path) -> None:
    with pytest.raises(InputError, match="150 different values"):
        classes_of([np.arange(150)], "x")
    with pytest.raises(InputError, match="1 different values"):
        classes_of([np.ones(5)], "x")


def test_a_target_that_is_too_large_is_refused() -> None:
    with pytest.raises(InputError, match="value of 1e\\+300"):
        numbers_of(np.array([1.0, -1e300, np.nan]), "x")


def test_one_value_everywhere_is_nothing_to_learn() -> None:
    targets = np.full((9, 1), 7.5, np.float32)
    data = TaskData((), ("y",), targets, (), {"train": np.arange(9)}, "")
    config = with_flags(task_defaults("regression"), {"task": "regression", "target": "y"})
    with pytest.raises(InputError, match=r"all 9 training peptides have y 7\.5"):
        data.task(config)


def test_missing_targets_are_left_out_in_both_kinds() -> None:
    assert np.isnan(numbers_of(np.array([1.5, np.nan, np.inf]), "x")).tolist() == [0, 1, 1]
    labels, classes = classes_of([np.array([10.0, np.nan]), np.array([9.0])], "x")
    assert (labels.tolist(), classes) == ([1, -1, 0], ("9", "10"))
    texts, classes = classes_of([np.array(["b", None, "a"], object)], "x")
    assert (texts.tolist(), classes) == ([1, -1, 0], ("a", "b"))


def test_other_settings_or_data_are_refused_in_the_same_folder(store, tmp_path) -> None:
    copy, out, flags = tmp_path / "store", tmp_path / "run", {"epochs": 1, "seeds": 1}
    shutil.copytree(store, copy)
    finetune_small(copy, out, **flags)
    with pytest.raises(InputError, match="epochs: 1 -> 2"):
        finetune_small(copy, out, **{**flags, "epochs": 2})
    opened = open_store(copy)
    write_split(opened, make_split(opened, "random", {"train": 0.7, "test": 0.3}, 9))
    with pytest.raises(InputError, match="sets changed"):
        finetune_small(copy, out, **flags)


def test_a_folder_that_is_not_a_run_folder_is_refused(store, tmp_path) -> None:

    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not a run folder"):
        finetune_small(store, tmp_path, epochs=1)
