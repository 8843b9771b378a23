"""Weights & Biases gets the metrics, and its errors do not end a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pepland_model.run.log import RunLog, events
from tests.helpers.fake_client import FakeClient


class Client(FakeClient):
    """Replaces the wandb package."""

    def init(self, *, id, resume, name, dir, config):
        self._do("init", id, resume, name, Path(dir), config)
        return SimpleNamespace(id=id or "id-7")

    def define_metric(self, name, *, step_metric) -> None:
        self._do("define", name, step_metric)

    def log(self, values) -> None:
        self._do("log", values)

    def finish(self) -> None:
        self._do("finish")


def installed(monkeypatch, fails: str = "", project: str = "peptides") -> Client:
    client = Client("wandb", fails)
    monkeypatch.setitem(sys.modules, "wandb", client)
    monkeypatch.setenv("WANDB_PROJECT", project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return client


def logged(run) -> None:
    log = RunLog(run)
    log.write("train", 5, {"loss": 0.5, "note": "text"})
    log.close()


def test_metrics_and_settings_are_sent(tmp_path, monkeypatch) -> None:
    client = installed(monkeypatch)
    (tmp_path / "config.toml").write_text("[optim]\nlr = 0.1\n", encoding="utf-8")
    logged(tmp_path)
    assert client.calls == [
        ("init", None, None, tmp_path.name, tmp_path, {"optim.lr": 0.1}),
        ("define", "*", "step"),
        ("log", {"train/loss": 0.5, "step": 5}),
        ("finish",),
    ]


def test_a_resumed_run_continues_its_run(tmp_path, monkeypatch) -> None:
    client = installed(monkeypatch)
    logged(tmp_path)
    logged(tmp_path)
    assert [c[1:3] for c in client.calls if c[0] == "init"] == [(None, None), ("id-7", "allow")]
    saved = json.loads((tmp_path / "wandb.json").read_text(encoding="utf-8"))
    assert saved == {"run_id": "id-7"}


@pytest.mark.parametrize("fails", ["init", "define", "log", "finish"])
def test_after_an_error_all_events_are_in_the_file(tmp_path, monkeypatch, fails) -> None:
    client = installed(monkeypatch, fails)
    with pytest.warns(UserWarning, match="no more metrics are sent to Weights & Biases"):
        logged(tmp_path)
    assert [e["loss"] for e in events(tmp_path)] == [0.5]
    assert client.calls == [c for c in client.calls if c[0] != "finish"]


def test_without_a_project_nothing_is_sent(tmp_path, monkeypatch) -> None:
    client = installed(monkeypatch, project="")
    logged(tmp_path)
    assert client.calls == []
