"""What the logs of MLflow and Weights & Biases share: no error of a tracker ends a training."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import tomllib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pepland_data.files.atomic import write_json


class Tracker(ABC):
    """One run at a tracker, if its package is installed and its variable is set.

    A resumed run continues it. After the first error of client or server, nothing more is sent,
    and the training continues.

    Args:
        run: run folder; a file in it holds the id of the run at the tracker.
    """

    title: ClassVar[str]
    """Name of the tracker."""
    package: ClassVar[str]
    """Name for ``import``, and of the file that holds the id."""
    variable: ClassVar[str]
    """Variable of the environment that asks for it."""

    def __init__(self, run: Path) -> None:
        self._client: Any = None
        if os.environ.get(self.variable) and importlib.util.find_spec(self.package):
            self._try(lambda: self._begin(run))

    def _begin(self, run: Path) -> None:
        self._client = importlib.import_module(self.package)
        path = run / f"{self.package}.json"
        known = json.loads(path.read_text(encoding="utf-8"))["run_id"] if path.is_file() else None
        run_id = self._start(run, known)
        if known is None:
            write_json(path, {"run_id": run_id})

    @abstractmethod
    def _start(self, run: Path, known: str | None) -> str:
        """Begin a run, or continue the one with a known id; return its id."""

    @abstractmethod
    def _send(self, numbers: dict[str, float], step: int) -> None:
        """Send the metrics of a step."""

    @abstractmethod
    def _end(self) -> None:
        """End the run."""

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Send the metrics of a step."""
        if self._client is not None:
            self._try(lambda: self._send(dict(numbers), step))

    def close(self) -> None:
        """End the run at the tracker."""
        if self._client is not None:
            self._try(self._end)
            self._client = None

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # no error of a client or server may end the training
            self._client = None
            warnings.warn(
                f"no more metrics are sent to {self.title}: {type(error).__name__}: {error}; check "
                f"{self.variable}, metrics.jsonl has all metrics",
                stacklevel=2,
            )


def settings(run: Path) -> dict[str, Any]:
    """Return the configuration of a run as one level of names: ``section.key``."""
    path = run / "config.toml"
    sections = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {f"{s}.{k}": v for s, values in sections.items() for k, v in values.items()}
