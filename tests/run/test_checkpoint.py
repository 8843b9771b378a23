"""Checkpoints: complete or absent, checked when read, pruned, and damaged ones skipped."""

from __future__ import annotations

import json

import pytest
import torch

from pepland_model.run.checkpoint import (
    STATE,
    CheckpointError,
    best_folder,
    checkpoints,
    latest_checkpoint,
    mark_best,
    prune,
    read_checkpoint,
    resolve_checkpoint,
    step_folder,
    write_checkpoint,
)


def write(run, step: int):
    tensors = {"model": {"w": torch.full((3,), float(step))}, "rng": {}}
    return write_checkpoint(step_folder(run, step), {"step": step}, tensors)


def test_what_was_written_is_read_back(tmp_path) -> None:
    found = read_checkpoint(write(tmp_path, 7))
    assert found.state == {"step": 7}
    assert torch.equal(found.tensors["model"]["w"], torch.full((3,), 7.0))


def test_a_checkpoint_holds_no_pickle(tmp_path) -> None:
    names = sorted(p.name for p in write(tmp_path, 1).iterdir())
    assert names == ["model.safetensors", STATE]


@pytest.mark.parametrize("name", ["model.safetensors", STATE])
@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_a_damaged_checkpoint_is_skipped_with_a_warning(tmp_path, name, damage) -> None:
    write(tmp_path, 1)
    path = write(tmp_path, 2) / name
    data = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    else:
        data[len(data) // 2] ^= 0x80
        path.write_bytes(data if damage == "flip" else data[: len(data) // 2])
    with pytest.warns(UserWarning, match="using the previous checkpoint"):
        found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.state["step"] == 1


def test_a_failed_write_leaves_the_previous_checkpoint_and_no_temporary_folder(tmp_path) -> None:
    write(tmp_path, 1)

    def disk_full(folder) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_checkpoint(step_folder(tmp_path, 2), {"step": 2}, {}, disk_full)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-000000001"]


def test_pruning_keeps_the_newest_and_the_best(tmp_path) -> None:
    for step in range(1, 6):
        write(tmp_path, step)
    mark_best(tmp_path, step_folder(tmp_path, 2), {"loss": 1.0})
    leftover = tmp_path / "checkpoints" / ".step-000000009.1.tmp"
    leftover.mkdir()
    prune(tmp_path, 2)
    assert [p.name[-1] for p in checkpoints(tmp_path)] == ["2", "4", "5"]
    assert not leftover.exists()


def test_a_run_folder_resolves_to_its_best_or_last_checkpoint(tmp_path) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2)
    assert resolve_checkpoint(tmp_path) == step_folder(tmp_path, 2)
    mark_best(tmp_path, step_folder(tmp_path, 1), {})
    assert resolve_checkpoint(tmp_path) == step_folder(tmp_path, 1)
    assert best_folder(tmp_path) == step_folder(tmp_path, 1)
    assert resolve_checkpoint(tmp_path, "last") == step_folder(tmp_path, 2)
    assert resolve_checkpoint(step_folder(tmp_path, 1)) == step_folder(tmp_path, 1)


@pytest.mark.parametrize("text", ["", '{"checkpoi', "[]", "{}", "\xff"])
def test_a_damaged_record_of_the_best_is_ignored_with_a_warning(tmp_path, text) -> None:
    for step in (1, 2, 3):
        write(tmp_path, step)
    (tmp_path / "best.json").write_text(text, encoding="latin-1")
    with pytest.warns(UserWarning, match=r"best\.json is damaged"):
        assert resolve_checkpoint(tmp_path).name == "step-000000003"
    with pytest.warns(UserWarning, match=r"best\.json is damaged"):
        prune(tmp_path, 1)
    assert [p.name for p in checkpoints(tmp_path)] == ["step-000000003"]


def test_without_an_undamaged_checkpoint_the_warning_says_so(tmp_path) -> None:
    (write(tmp_path, 1) / "state.json").write_text("")
    with pytest.warns(UserWarning, match="no other is left"):
        assert latest_checkpoint(tmp_path) is None


def test_a_folder_without_checkpoints_says_what_was_expected(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="expected a run folder"):
        resolve_checkpoint(tmp_path)


def test_state_is_plain_json(tmp_path) -> None:
    document = json.loads((write(tmp_path, 3) / STATE).read_text())
    assert document["step"] == 3
    assert set(document["files"]) == {"model.safetensors"}
