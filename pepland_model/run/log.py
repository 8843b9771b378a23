"""Where the numbers of a run go: ``metrics.jsonl``, TensorBoard, and MLflow if it is installed.

The JSONL file is the truth; curves and the report are made from it. Each line is one event with
``kind`` (``train``, ``eval``, ``start``, ``end``) and ``step``.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pepland_data.files.atomic import write_atomic_bytes
from pepland_model.run.mlflow_log import MlflowLog

METRICS = "metrics.jsonl"


class RunLog:
    """Append events to the files of a run.

    Args:
        run: run folder.
        tensorboard: write event files too where the package is installed.
    """

    def __init__(self, run: Path, tensorboard: bool = True) -> None:
        self.path = run / METRICS
        self._file = self.path.open("a", encoding="utf-8")
        self._board: Any = None
        if tensorboard and importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(run / "tensorboard"))
        self._mlflow = MlflowLog(run)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Append one event; a full disk costs the line, not the run."""
        line = json.dumps({"kind": kind, "step": step, **values})
        try:
            self._file.write(line + "\n")
            self._file.flush()
            self._mirror(kind, step, values)
        except OSError as error:
            import warnings

            warnings.warn(f"{self.path} could not be written: {error}", stacklevel=2)

    def _mirror(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        numbers = {f"{kind}/{k}": v for k, v in values.items() if isinstance(v, int | float)}
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(name, value, step)
        self._mlflow.write(numbers, step)

    def close(self) -> None:
        """Flush and close."""
        self._file.close()
        if self._board is not None:
            self._board.close()
        self._mlflow.close()


def events(run: str | Path, kind: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the events of a run; lines cut short by a crash or damaged are passed over."""
    path = Path(run) / METRICS
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue
        if not isinstance(event, dict) or not {"kind", "step"} <= event.keys():
            continue
        if kind is None or event["kind"] == kind:
            yield event


def rewind(run: Path, step: int) -> None:
    """Drop what was logged after a checkpoint, so that a resumed run leaves one clean curve.

    Args:
        run: run folder.
        step: step of the checkpoint the run goes on from.
    """
    kept = [json.dumps(e) for e in events(run) if e["step"] <= step and e["kind"] != "end"]
    if (run / METRICS).is_file():
        write_atomic_bytes(run / METRICS, "".join(f"{line}\n" for line in kept).encode())
