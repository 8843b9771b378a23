"""A run folder as an object: its status, its figures, its report, and what a notebook shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pepland_data.errors import InputError
from pepland_data.files.json_forms import anything, mapping
from pepland_data.html_parts import block, curve, plain, shown_by, table
from pepland_model.run.checkpoint import read_run_json
from pepland_model.run.config import TrainConfig, from_toml
from pepland_model.run.folder import CONFIG
from pepland_model.run.log import events

LOSSES = ("loss", "atom_loss", "fragment_loss", "bond_loss")


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A pre-training or fine-tuning in a folder, finished or not."""

    path: Path
    """The run folder."""
    config: TrainConfig = field(repr=False)
    """All settings."""
    summary: Mapping[str, Any] = field(repr=False)
    """Content of ``summary.json``; empty while the run has none."""

    _repr_html_ = shown_by(__name__, "run_html")

    @property
    def status(self) -> str:
        """``finished``, why the run ended, or ``not finished``."""
        return str(self.summary.get("status", "not finished"))

    @property
    def report(self) -> Path | None:
        """The page with the report; None while there is none."""
        page = self.path / "report.html"
        return page if page.is_file() else None

    def losses(self, kind: str = "eval") -> dict[str, list[tuple[int, float]]]:
        """Return name -> step and loss; in a fine-tuning the names begin with that of the seed.

        Args:
            kind: ``eval`` for validation, ``train`` for training.
        """
        found: dict[str, list[tuple[int, float]]] = {}
        for folder in (self.path, *sorted(self.path.glob("seed-*"))):
            seed = "" if folder == self.path else f"{folder.name} "
            for event in events(folder, kind):
                for name in LOSSES:
                    if isinstance(event.get(name), int | float):
                        line = found.setdefault(f"{seed}{name}".replace("_", " "), [])
                        line.append((event["step"], event[name]))
        return found


def open_run(path: str | Path) -> TrainingRun:
    """Open the folder of a pre-training or fine-tuning run.

    Args:
        path: what ``--out`` of `pepland-train` named.

    Raises:
        InputError: it is no run folder, or its settings are damaged.
        CheckpointError: its summary is damaged.
    """
    path = Path(path)
    if not (path / CONFIG).is_file():
        raise InputError(f"{path} has no {CONFIG}; name a folder that pepland-train wrote")
    summary = path / "summary.json"
    found = read_run_json(summary, mapping(anything)) if summary.is_file() else {}
    return TrainingRun(path, from_toml(path / CONFIG), found)


def run_html(run: TrainingRun) -> str:
    """Return status, figures and validation losses of a run."""
    task = run.config.finetune.task
    what = f"{task} of {run.config.finetune.target}" if run.config.finetune.finetunes else task
    about = f"{run.path.name}: {what}, {run.status}"
    about += f"; report in {run.path.name}/{run.report.name}" if run.report else ""
    rows = _of_sets(run.summary) if run.config.finetune.finetunes else _of_heads(run.summary)
    head = ("set", "figure", "mean of the models", "their mean prediction", "boosted trees")
    named = head if run.config.finetune.finetunes else ("validation", "network", "frequencies")
    curves = (curve(f"validation {name}", points) for name, points in run.losses().items())
    return block("TrainingRun", about, table(named, rows), *curves)


def _of_heads(summary: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the figures of a pre-training beside those of the label frequencies."""
    known = summary.get("baseline", {})
    for name, value in summary.get("metrics", {}).items():
        yield name.replace("_", " "), value, known.get(name, "")


def _of_sets(summary: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the figures of a fine-tuning beside those of the ensemble and of the baseline."""
    for name, figures in summary.get("metrics", {}).items():
        sides = [summary.get(key, {}).get(name, {}) for key in ("ensemble", "baseline")]
        for key, figure in figures.items():
            others = (_figure(side.get(key, "")) for side in sides)
            yield name, key.replace("_", " "), _figure(figure), *others


def _figure(found: Any) -> str:
    """Return a number, or a mean with its confidence interval unless all are equal, as text."""
    if not isinstance(found, Mapping):
        return "undefined" if found is None else plain(found)
    low, high = found.get("low"), found.get("high")
    width = "" if low == high else f" ({plain(low)} to {plain(high)})"
    return _figure(found.get("mean")) + width
