"""``pepland-train`` as people call it: on a store, with its errors and exit codes."""

from __future__ import annotations

import json
import shutil
import warnings

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from pepland_cli.output import plain_warnings
from pepland_cli.train import main
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.pharmhgt import PharmHGT
from tests.helpers.train_worker import no_drawing, no_file

SMALL = ["--hidden", "16", "--depth", "2", "--batch-size", "8", "--device", "cpu"]
SHORT = [*SMALL, "--max-steps", "6", "--log-every", "1", "--valid-fraction", "0.2"]


@pytest.fixture(scope="module")
def store(small_store):
    return small_store.path


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch) -> None:
    """Draw no report and write no event files: that takes longer than the runs."""
    monkeypatch.setattr("pepland_model.run.report.missing_packages", no_drawing)
    monkeypatch.setattr("pepland_model.run.log.tensorboard_writer", no_file)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    """A short run on that store."""
    out = tmp_path_factory.mktemp("cli") / "run"
    result = call("--shards", store, "--out", out, *SHORT, "--json")
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_json_is_one_document_with_status_metrics_and_files(trained) -> None:
    _, summary = trained
    assert summary["status"] == "finished"
    assert summary["steps"] == 6
    assert summary["metrics"]["atom_loss"] > 0
    assert set(summary["files"]) == {"checkpoint", "curve", "report"}


def test_the_configuration_file_repeats_a_run(trained, tmp_path) -> None:
    out, summary = trained
    again = call("--config", out / "config.toml", "--out", tmp_path / "again", "--json")
    assert json.loads(again.stdout)["metrics"] == summary["metrics"]


def test_the_same_command_again_resumes_and_shows_losses_beside_the_baseline(
    store, trained
) -> None:
    out, _ = trained
    result = call("--shards", store, "--out", out, *SHORT)
    assert result.exit_code == 0
    assert "resuming from step 6" in result.stderr
    assert "loss of predicting corpus frequencies" in result.stderr
    assert "(corpus frequencies: " in result.stdout


def test_a_run_resumes_with_more_steps(store, tmp_path, trained) -> None:
    shutil.copytree(trained[0], tmp_path / "p")
    more = [*SHORT, "--max-steps", 12, "--json"]
    whole = call("--shards", store, "--out", tmp_path / "w", *more)
    assert json.loads((tmp_path / "w" / "run.json").read_text())["threads"] == 1
    rest = call("--shards", store, "--out", tmp_path / "p", *more)
    assert rest.exit_code == 0
    assert json.loads(rest.stdout)["metrics"] == json.loads(whole.stdout)["metrics"]
    torch.set_num_threads(2)
    with pytest.warns(UserWarning, match="written with 1 CPU threads.*OMP_NUM_THREADS=1"):
        call("--shards", store, "--out", tmp_path / "w", *SHORT, "--max-steps", 13)


def test_a_folder_with_train_and_valid_stores_is_taken_as_it_is(store, tmp_path) -> None:
    (tmp_path / "data").mkdir()
    for part in ("train", "valid"):
        (tmp_path / "data" / part).symlink_to(store)
    result = call("--shards", tmp_path / "data", "--out", tmp_path / "run", *SHORT, "--json")
    assert json.loads(result.stdout)["data"]["validation peptides"] == 36


def test_a_mixture_of_stores_trains(store, tmp_path) -> None:
    both = ["--shards", store, "--shards", store, "--weights", "0.7,0.3"]
    result = call(*both, "--out", tmp_path / "run", *SHORT, "--json")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "give --shards"),
        (["--shards", "nowhere"], 1, "nowhere"),
        (["--shards", "STORE", "--vocab", "no.txt"], 1, "no.txt"),
        (["--shards", "STORE", "--device", "cuda:7"], 1, "GPU"),
        (["--shards", "STORE", "--device", "tpu"], 1, "tpu"),
        (["--shards", "STORE", "--mode", "all"], 2, "all"),
        (["--shards", "STORE", "--heads", "7"], 1, "heads"),
        (["--shards", "STORE", "--batch-size", "0"], 1, "batch_size"),
        (["--shards", "STORE", "--weights", "a,b"], 2, "0.7,0.3"),
        (["--shards", "STORE", "--resume"], 1, "no checkpoint"),
        (["--shards", "STORE", "--init-from", "nowhere"], 1, "nowhere"),
        (["--config", "none.toml"], 1, "none.toml"),
        (["--learning-rate", "1"], 2, "learning-rate"),
        (["STORE"], 2, "name a store with --shards"),
        (["--shards", "nowhere", "--dry-run"], 1, "nowhere"),
        (["--task", "regression", "--target", "y", "--shards", "STORE", "--dry-run"], 2, "epochs"),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code(
    store, tmp_path, arguments, code, words
) -> None:
    given = [str(store) if a == "STORE" else a for a in arguments]
    extra = [] if "--device" in given else ["--device", "cpu"]
    result = call(*given, *extra, "--out", tmp_path / "run", "--max-steps", 1, "--hidden", 16)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_model_of_another_width_is_refused_with_the_name_of_what_differs(
    store, trained, tmp_path
) -> None:
    out, _ = trained
    result = call("--shards", store, "--init-from", out, "--out", tmp_path / "x", *SHORT,
                  "--hidden", 32)  # fmt: skip
    assert result.exit_code == 1
    assert "--hidden is 32, but the encoder of" in result.stderr


def test_stage_two_starts_from_a_run_with_its_sizes(store, trained, tmp_path) -> None:
    out, _ = trained
    more = ["--batch-size", 8, "--device", "cpu", "--max-steps", 1]
    result = call("--shards", store, "--init-from", out, "--out", tmp_path / "two", *more)
    assert result.exit_code == 0, result.output
    assert "vocabulary from" in result.stderr
    assert "hidden = 16\ndepth = 2" in (tmp_path / "two" / "config.toml").read_text()


def test_the_help_has_the_sections_of_the_configuration() -> None:
    text = call("--help").stdout
    titles = ["Examples", "Most used", "Data", "Masks", "Model", "Optimization", "Run",
              "Fine-tuning", "Options", "Commands"]  # fmt: skip
    places = [text.index(f"{title}:\n") for title in titles]
    assert places == sorted(places)
    assert "0.001, fine-tuning 0.0005" in " ".join(text.split()).replace("- ", "-")


def test_a_dry_run_says_what_a_run_takes_and_writes_nothing(store, tmp_path, monkeypatch) -> None:
    out = tmp_path / "run"
    flags = [*SMALL, "--valid-fraction", "0.2", "--epochs", "3", "--eval-every", "10"]
    result = call("--shards", store, "--out", out, *flags, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    assert not out.exists()
    told = json.loads(result.stdout)
    trained = call("--shards", store, "--out", out, *flags, "--json")
    events = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert told["steps"] == json.loads(trained.stdout)["steps"]
    data = json.loads(trained.stdout)["data"]
    assert told["data"] == {**data, "tier": told["data"]["tier"]}  # it names the free memory
    assert told["evaluations"] == sum(event["kind"] == "eval" for event in events)
    peptides = told["steps"] * 8 + told["evaluations"] * told["data"]["validation peptides"]
    assert told["seconds"] == pytest.approx(peptides / told["graphs_per_s"])


def test_a_dry_run_of_a_begun_run_counts_what_is_left(store, trained) -> None:
    flags = ["--shards", store, "--out", trained[0], *SHORT, "--max-steps", 9]
    before = sorted(trained[0].rglob("*"))
    told = json.loads(call(*flags, "--dry-run", "--json").stdout)
    assert (told["steps"], told["steps_done"]) == (9, 6)
    shown = call(*flags, "--dry-run").stdout
    assert "3 of 9 to do" in shown
    assert sorted(trained[0].rglob("*")) == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--target", "length"], "target is for fine-tuning; give --task"),
        (["--seeds", 3], "seeds is for fine-tuning"),
        (["--task", "regression", "--target", "x", "--weights", "1"], "weights is for pre-train"),
        (["--task", "regression", "--target", "x", "--mask-bonds"], "mask_bonds is for pre-train"),
        (["--task", "regression", "--target", "x", "--profile"], "profile is for pre-training"),
    ],
)
def test_a_setting_without_effect_is_refused(store, tmp_path, flags, words) -> None:
    result = call("--shards", store, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 1
    assert words in result.stderr
    assert not (tmp_path / "run").exists()


def test_warnings_are_shown_without_lines_of_code() -> None:
    original = warnings.formatwarning
    with plain_warnings():
        shown = warnings.formatwarning("the disk is full", UserWarning, "a.py", 1)
        others = warnings.formatwarning("old", DeprecationWarning, "a.py", 1)
    assert shown == "warning: the disk is full\n"
    assert "a.py:1: DeprecationWarning" in others
    assert warnings.formatwarning is original


def test_a_vocabulary_of_something_else_is_refused(store, tmp_path) -> None:
    (tmp_path / "v.txt").write_text("[U]\n[Pu]\n")
    result = call("--shards", store, "--vocab", tmp_path / "v.txt", "--out", tmp_path / "x", *SHORT)
    assert result.exit_code == 1
    assert "none of the 2 fragments" in result.stderr
    assert "Traceback" not in result.output


def test_a_damaged_store_is_named(store, tmp_path) -> None:
    shutil.copytree(store, tmp_path / "store")
    shard = next((tmp_path / "store" / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[:-100])
    result = call("--shards", tmp_path / "store", "--out", tmp_path / "run", *SHORT)
    assert result.exit_code == 1
    assert shard.name in result.stderr


def test_training_starts_from_imported_weights(store, tmp_path) -> None:
    torch.manual_seed(1)
    model = PharmHGT(PharmHGTConfig(hidden=16, depth=2, output="checkpoint"))
    model.save(tmp_path / "imported")
    flags = ["--freeze", "--output", "checkpoint", "--out", tmp_path / "run", "--json", *SHORT]
    result = call("--shards", store, "--init-from", tmp_path / "imported", *flags)
    assert result.exit_code == 0, result.output
    assert "the heads are new" in result.stderr
    folder = json.loads(result.stdout)["files"]["checkpoint"]
    assert torch.equal(
        load_file(f"{folder}/model.safetensors")["w_atom.weight"], model.w_atom.weight
    )
