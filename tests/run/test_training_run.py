"""A run folder as an object, and what it shows in a notebook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pepland_data.errors import InputError
from pepland_model import open_run
from pepland_model.run.checkpoint import CheckpointError
from pepland_model.run.config import TrainConfig, task_defaults, to_toml, with_flags
from tests.helpers.page_reader import picture_count, shown

INTERVAL = {"mean": 0.5, "std": 0.1, "low": 0.25, "high": 0.75, "n": 3}


def write_run(folder: Path, config: TrainConfig, summary: dict[str, Any] | None) -> Path:
    folder.mkdir()
    (folder / "config.toml").write_text(to_toml(config.as_dict()), encoding="utf-8")
    if summary is not None:
        (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return folder


def write_losses(folder: Path, *losses: float) -> None:
    folder.mkdir(exist_ok=True)
    lines = (json.dumps({"kind": "eval", "step": i, "loss": x}) for i, x in enumerate(losses))
    (folder / "metrics.jsonl").write_text("\n".join([*lines, "damaged"]), encoding="utf-8")


def test_a_pretraining_shows_its_figures_beside_the_baseline(tmp_path: Path) -> None:
    summary = {"status": "finished", "metrics": {"atom_loss": 0.25, "loss": 2.0},
               "baseline": {"atom_loss": 0.625}}  # fmt: skip
    folder = write_run(tmp_path / "run", TrainConfig(), summary)
    write_losses(folder, 3.0, 2.0)
    (folder / "report.html").write_text("", encoding="utf-8")
    run = open_run(folder)
    words = shown(run)
    assert words.startswith("TrainingRun run: pretrain, finished; report in run/report.html")
    assert "atom loss 0.25 0.625 loss 2" in words
    assert "validation loss: 3 → 2" in words
    assert run.losses() == {"loss": [(0, 3.0), (1, 2.0)]}
    assert run.losses("train") == {}
    assert picture_count(run) == 1


def test_a_fine_tuning_shows_intervals_and_both_baselines(tmp_path: Path) -> None:
    config = with_flags(task_defaults("regression"), {"task": "regression", "target": "<i>&"})
    summary = {
        "status": "<b>", "metrics": {"test": {"mae": INTERVAL, "r2": {"mean": None}}},
        "ensemble": {"test": {"mae": 0.375}}, "baseline": {"test": {"mae": INTERVAL}},
    }  # fmt: skip
    folder = write_run(tmp_path / "fine", config, summary)
    for seed in (0, 1):
        write_losses(folder / f"seed-{seed}", 2.0, 1.0, 0.5)
    run = open_run(folder)
    words = shown(run)
    assert words.startswith("TrainingRun fine: regression of <i>&, <b>")
    assert "test mae 0.5 (0.25 to 0.75) 0.375 0.5 (0.25 to 0.75)" in words
    assert "test r2 undefined" in words
    assert "validation seed-1 loss: 2 → 0.5" in words
    assert picture_count(run) == 2
    assert len(repr(run)) < 200


def test_an_unfinished_run_has_no_figures_yet(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path / "run", TrainConfig(), None))
    assert (run.status, run.report) == ("not finished", None)
    assert shown(run) == "TrainingRun run: pretrain, not finished"


def test_a_damaged_run_is_refused_or_shows_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a folder that pepland-train wrote"):
        open_run(tmp_path)
    folder = write_run(tmp_path / "run", TrainConfig(), {"metrics": 3})
    assert shown(open_run(folder)).startswith("TrainingRun cannot be shown: ")
    (folder / "summary.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_run(folder)
