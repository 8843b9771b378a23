"""Whatever stands in the files of a run: it is resumed and loaded, or refused in a sentence."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from pepland_data import Vocabulary
from pepland_data.errors import InputError
from pepland_data.files.atomic import file_sha256
from pepland_model.embed.embedder import Embedder
from pepland_model.run.checkpoint import checkpoints, resolve_checkpoint
from pepland_model.run.config import TrainConfig, from_dict, from_toml, with_flags
from pepland_model.run.log import drop_events_after, events
from pepland_model.run.report import write_report
from pepland_model.train.pretrain import pretrain
from tests.helpers.golden_store import write_golden_store
from tests.helpers.json_mutation import mutated, said
from tests.helpers.train_worker import no_drawing, no_file

EXAMPLES = int(os.environ.get("FORGED_EXAMPLES", "8"))
FUZZ = settings(deadline=None, max_examples=EXAMPLES, derandomize=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forged")
    write_golden_store(folder / "store", slice(12), 6)
    with pytest.MonkeyPatch.context() as patch:
        quiet(patch)
        train(folder / "run", folder / "store")
    return folder / "run"


def quiet(patch: pytest.MonkeyPatch) -> None:
    """Draw no pictures and write no event files: that takes longer than the runs."""
    patch.setattr("pepland_model.run.report.missing_packages", no_drawing)
    patch.setattr("pepland_model.run.log.tensorboard_writer", no_file)


def train(out: Path, store: Path, **flags: Any) -> None:
    given = {
        "out": str(out), "shards": (str(store),), "batch_size": 4, "max_steps": 2, "hidden": 8,
        "depth": 2, "device": "cpu", "log_every": 1, "checkpoint_every": 1, "vocab_size": 20,
        "ema": 0.9,
    }  # fmt: skip
    pretrain(with_flags(TrainConfig(), {**given, **flags}))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)


def seal(run: Path) -> None:
    """Write the right checksums of all files into the last checkpoint."""
    folder = checkpoints(run)[-1]
    state = json.loads((folder / "state.json").read_bytes())
    if isinstance(state, dict) and isinstance(state.get("files"), dict):
        state["files"] |= {
            n: file_sha256(folder / n) for n in state["files"] if (folder / n).is_file()
        }
        (folder / "state.json").write_text(json.dumps(state))


def check_run(run: Path, store: Path) -> list[str]:
    """Assert that each use of a run works or ends in a sentence; return the sentences."""
    new = run.parent / "new"
    shutil.rmtree(new, ignore_errors=True)
    found = [
        said(lambda: Embedder(run)),
        said(lambda: train(new, store, max_steps=1, init_from=str(run))),
        said(lambda: from_toml(run / "config.toml")),
        said(lambda: train(run, store, max_steps=3)),
    ]
    assert [one for one in found if len(one.splitlines()) > 1 or len(one) > 1500] == []
    return found


@pytest.mark.parametrize("file", ["state.json", "config.json"])
@FUZZ
@given(data=st.data())
def test_any_json_in_a_checkpoint_is_used_or_refused_in_a_sentence(
    run: Path, tmp_path_factory: pytest.TempPathFactory, file: str, data: st.DataObject
) -> None:
    copied = Path(shutil.copytree(run, tmp_path_factory.mktemp("json") / "run"))
    path = checkpoints(copied)[-1] / file
    path.write_text(json.dumps(data.draw(mutated(json.loads(path.read_bytes())))))
    seal(copied)
    check_run(copied, run.parent / "store")


@FUZZ
@given(data=st.data())
def test_any_best_json_is_used_or_reported(
    run: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    copied = Path(shutil.copytree(run, tmp_path_factory.mktemp("best") / "run"))
    path = copied / "best.json"
    path.write_text(json.dumps(data.draw(mutated(json.loads(path.read_bytes())))))
    assert said(lambda: Embedder(copied)) == ""


@pytest.mark.parametrize("name", ["/etc", "../other/checkpoints/step-000000001", "", 3, ["x"]])
def test_a_best_checkpoint_outside_the_run_is_not_followed(
    run: Path, tmp_path: Path, name: object
) -> None:
    copied = Path(shutil.copytree(run, tmp_path / "run"))
    shutil.copytree(run, tmp_path / "other")
    (copied / "best.json").write_text(json.dumps({"checkpoint": name}))
    with pytest.warns(UserWarning, match="best checkpoint is unknown"):
        assert resolve_checkpoint(copied) == checkpoints(copied)[-1]


@settings(FUZZ, max_examples=50)
@given(data=st.data())
def test_any_configuration_is_read_or_refused_in_a_sentence(run: Path, data: st.DataObject) -> None:
    sections = data.draw(mutated(from_toml(run / "config.toml").as_dict()))
    assert len(said(lambda: from_dict(sections, "x")).splitlines()) <= 1


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "[run]\nlr", "\0", "[data]\nshards = [[1]]",
             "[data]\nweights = ['x']\nshards = ['y']", "run = 3"],
)  # fmt: skip
def test_a_text_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        from_toml(tmp_path / "config.toml")
    assert len(str(caught.value).splitlines()) == 1


@FUZZ
@given(data=st.data())
def test_any_line_of_metrics_is_drawn_or_skipped(
    run: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    copied = Path(shutil.copytree(run, tmp_path_factory.mktemp("metrics") / "run"))
    lines = list(events(run))
    with (copied / "metrics.jsonl").open("a") as file:
        for line in lines:
            file.write(json.dumps(data.draw(mutated(line))) + "\n")
    with mock.patch("pepland_model.run.report.missing_packages", str):
        assert write_report(copied)
    drop_events_after(copied, 1)
    assert all(event["step"] <= 1 for event in events(copied))


def forge_tensors(path: Path, change: str) -> None:
    """Write other tensors of the same names, or no tensors at all."""
    if change == "garbage":
        path.write_bytes(b"\x08\0\0\0\0\0\0\0{" + b"x" * 7)
        return
    tensors = load_file(path)
    name = sorted(tensors)[-1]
    changed = {
        "missing": {},
        "shape": {name: torch.zeros(3)},
        "type": {name: torch.zeros(tensors[name].shape, dtype=torch.bool)},
        "unknown": {name: tensors[name], "other": torch.zeros(1)},
    }[change]
    rest = {n: value.clone() for n, value in tensors.items() if n != name}
    save_file(rest | changed, path)


@pytest.mark.parametrize("change", ["garbage", "missing", "shape", "type", "unknown"])
@pytest.mark.parametrize(
    "file", ["weights", "optimizer", "average", "generators", "window", "model"]
)
def test_other_tensors_with_right_checksums_are_used_or_refused_in_a_sentence(
    run: Path, tmp_path: Path, file: str, change: str
) -> None:
    copied = Path(shutil.copytree(run, tmp_path / "run"))
    forge_tensors(checkpoints(copied)[-1] / f"{file}.safetensors", change)
    seal(copied)
    found = check_run(copied, run.parent / "store")
    assert any(found) or change in ("type", "unknown", "garbage") or file == "generators", found


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"\0\n", b"CC\nCC\n", b'["CC", "N"]', b"C C\n", b"\xe2\x82\xac\n"]
)
def test_a_file_that_is_no_vocabulary_is_refused_by_name(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "vocab.txt").write_bytes(text)
    with pytest.raises(InputError, match=r"vocab\.txt") as caught:
        Vocabulary.from_file(tmp_path / "vocab.txt")
    assert len(str(caught.value).splitlines()) == 1
