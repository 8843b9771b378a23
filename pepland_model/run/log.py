"""Write the metrics of a run to ``metrics.jsonl``, and to TensorBoard and trackers, if installed.

Loss curves and the report are made from the JSONL file. Each line is one event with ``kind``
(``train``, ``eval``, ``start``) and ``step``.
"""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pepland_data.files.atomic import write_atomic_bytes
from pepland_data.files.json_forms import (
    any_real,
    both,
    checked,
    either,
    mapping,
    maybe,
    record,
    text,
    whole,
)
from pepland_model.run.mlflow_log import MlflowLog
from pepland_model.run.wandb_log import WandbLog

METRICS = "metrics.jsonl"
EVENT = both(record({"kind": text, "step": whole()}), mapping(either(text, maybe(any_real))))
"""What a line holds: numbers, texts and nulls."""


class RunLog:
    """Append events to the metrics of a run folder."""

    def __init__(self, run: Path) -> None:
        self.path = run / METRICS
        self._file = self.path.open("a", encoding="utf-8")
        self._board = tensorboard_writer(run)
        self._trackers = (MlflowLog(run), WandbLog(run))

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Append one event. If the disk is full, warn and continue without it."""
        line = json.dumps({"kind": kind, "step": step, **values})
        try:
            self._file.write(line + "\n")
            self._file.flush()
            self._mirror(kind, step, values)
        except OSError as error:
            warnings.warn(
                f"{self.path} could not be written: {error}; free some space, this line is lost",
                stacklevel=2,
            )

    def _mirror(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        numbers = {f"{kind}/{k}": v for k, v in values.items() if isinstance(v, int | float)}
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(name, value, step)
        for tracker in self._trackers:
            tracker.write(numbers, step)

    def close(self) -> None:
        """Close all files."""
        self._file.close()
        if self._board is not None:
            self._board.close()
        for tracker in self._trackers:
            tracker.close()


def tensorboard_writer(run: Path) -> Any | None:
    """Return a writer of event files, None if TensorBoard is not installed."""
    if not importlib.util.find_spec("tensorboard"):
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run / "tensorboard"))


def events(run: str | Path, kind: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the events of a run, of one kind if given. Damaged lines are skipped."""
    path = Path(run) / METRICS
    if not path.is_file():
        return
    for line in path.read_bytes().splitlines():
        try:
            event: dict[str, Any] = checked(line, EVENT, constants=True)
        except ValueError:
            continue
        if kind is None or event["kind"] == kind:
            yield event


def drop_events_after(run: Path, step: int) -> None:
    """Delete the events after a step, so that a resumed run logs no step twice.

    Args:
        run: run folder.
        step: step of the checkpoint from which the run resumes; -1 deletes all.
    """
    kept = [json.dumps(e) for e in events(run) if e["step"] <= step]
    if (run / METRICS).is_file():
        write_atomic_bytes(run / METRICS, "".join(f"{line}\n" for line in kept).encode())
