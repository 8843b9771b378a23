"""MLflow gets the metrics, and its errors do not end a run."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from pepland_model.run.log import RunLog, events
from tests.helpers.fake_client import FakeClient


class Server(FakeClient):
    """Replaces the mlflow package."""

    def start_run(self, run_name=None, run_id=None):
        self._do("start", run_name, run_id)
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id or "id-7"))

    def log_params(self, values) -> None:
        self._do("params", values)

    def log_metrics(self, values, step) -> None:
        self._do("metrics", values, step)

    def end_run(self) -> None:
        self._do("end")


def installed(monkeypatch, fails: str = "", address: str = "http://127.0.0.1:1") -> Server:
    server = Server("mlflow", fails)
    monkeypatch.setitem(sys.modules, "mlflow", server)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return server


def logged(run) -> None:
    log = RunLog(run)
    log.write("train", 5, {"loss": 0.5, "note": "text"})
    log.close()


def test_metrics_and_settings_are_sent(tmp_path, monkeypatch) -> None:
    server = installed(monkeypatch)
    (tmp_path / "config.toml").write_text("[optim]\nlr = 0.1\n")
    logged(tmp_path)
    assert server.calls == [
        ("start", tmp_path.name, None),
        ("params", {"optim.lr": 0.1}),
        ("metrics", {"train/loss": 0.5}, 5),
        ("end",),
    ]


def test_a_resumed_run_continues_its_mlflow_run(tmp_path, monkeypatch) -> None:
    server = installed(monkeypatch)
    logged(tmp_path)
    logged(tmp_path)
    assert [c for c in server.calls if c[0] == "start"] == [
        ("start", tmp_path.name, None),
        ("start", None, "id-7"),
    ]
    assert json.loads((tmp_path / "mlflow.json").read_text()) == {"run_id": "id-7"}


@pytest.mark.parametrize("fails", ["start", "metrics", "end"])
def test_after_an_error_of_the_server_all_events_are_in_the_file(
    tmp_path, monkeypatch, fails
) -> None:
    installed(monkeypatch, fails)
    with pytest.warns(UserWarning, match="no more metrics are sent to MLflow"):
        logged(tmp_path)
    assert [e["loss"] for e in events(tmp_path)] == [0.5]


def test_without_an_address_nothing_is_sent(tmp_path, monkeypatch) -> None:
    server = installed(monkeypatch, address="")
    logged(tmp_path)
    assert server.calls == []
