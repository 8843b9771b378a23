"""Send metrics to MLflow, if it is installed and a tracking address is set."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import tomllib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pepland_data.files.atomic import write_json

ADDRESS = "MLFLOW_TRACKING_URI"
ID_FILE = "mlflow.json"


class MlflowLog:
    """One MLflow run. A resumed run continues it.

    After the first error of client or server, nothing more is sent, and the training continues.

    Args:
        run: run folder; its ``mlflow.json`` holds the id of the MLflow run.
    """

    def __init__(self, run: Path) -> None:
        self._mlflow: Any = None
        if os.environ.get(ADDRESS) and importlib.util.find_spec("mlflow"):
            self._try(lambda: self._start(run))

    def _start(self, run: Path) -> None:
        self._mlflow = importlib.import_module("mlflow")
        path = run / ID_FILE
        if path.is_file():
            self._mlflow.start_run(run_id=json.loads(path.read_text(encoding="utf-8"))["run_id"])
            return
        started = self._mlflow.start_run(run_name=run.resolve().name)
        write_json(path, {"run_id": started.info.run_id})
        self._parameters(run)

    def _parameters(self, run: Path) -> None:
        if (run / "config.toml").is_file():
            sections = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
            flat = {f"{s}.{k}": v for s, values in sections.items() for k, v in values.items()}
            self._mlflow.log_params(flat)

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Send the metrics of a step."""
        if self._mlflow is not None:
            self._try(lambda: self._mlflow.log_metrics(dict(numbers), step=step))

    def close(self) -> None:
        """End the MLflow run."""
        if self._mlflow is not None:
            self._try(lambda: self._mlflow.end_run())
            self._mlflow = None

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # no error of a client or server may end the training
            self._mlflow = None
            warnings.warn(
                f"no more metrics are sent to MLflow: {type(error).__name__}: {error}; check "
                f"{ADDRESS}, metrics.jsonl has all metrics",
                stacklevel=2,
            )
