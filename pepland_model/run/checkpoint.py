"""Checkpoints that are whole or not there: safetensors and JSON, no pickle.

A checkpoint is a folder of named tensor files and ``state.json``, which holds plain state and the
SHA-256 of every other file. It is written beside its place, flushed, and renamed; a reader that
meets a damaged one says so and takes the one before.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pepland_data.errors import PeplandError
from pepland_data.files.atomic import file_sha256, write_json
from pepland_model.network.model_files import write_tensors

STATE = "state.json"
FOLDER = "checkpoints"
BEST = "best.json"


class CheckpointError(PeplandError, ValueError):
    """A checkpoint that is damaged, missing, or of another model."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """One moment of a run."""

    state: dict[str, Any]
    """Plain JSON values: step, epoch, loader position, configuration."""
    tensors: dict[str, dict[str, Tensor]]
    """File stem -> name -> tensor on the CPU."""
    path: Path | None = None
    """Where it was read from."""


def step_folder(run: str | Path, step: int) -> Path:
    """Return where the checkpoint of a step lives."""
    return Path(run) / FOLDER / f"step-{step:09d}"


def write_checkpoint(
    folder: Path,
    state: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    extra: Callable[[Path], None] | None = None,
) -> Path:
    """Write a checkpoint folder that appears complete or not at all.

    Args:
        folder: final name; a folder of that name is replaced.
        state: JSON values.
        tensors: file stem -> name -> tensor; empty groups make no file.
        extra: writes more files into the folder it is given (the model in its own format).

    Raises:
        OSError: no space or no permission; what was there before is untouched.
    """
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        _write_files(aside, state, tensors, extra)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(aside, folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    _flush(folder.parent)
    return folder


def _write_files(
    aside: Path,
    state: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    extra: Callable[[Path], None] | None,
) -> None:
    for stem, named in tensors.items():
        if named:
            write_tensors(aside / f"{stem}.safetensors", named)
    if extra is not None:
        extra(aside)
    files = sorted(p for p in aside.rglob("*") if p.is_file())
    sums = {str(p.relative_to(aside)): file_sha256(p) for p in files}
    for path in files:
        _flush(path)
    document = {**state, "files": sums}
    (aside / STATE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _flush(aside / STATE)
    _flush(aside)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint and check every byte; CheckpointError where it is damaged."""
    from safetensors.torch import load_file

    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        sums = state.pop("files")
        for name, expected in sums.items():
            if file_sha256(folder / name) != expected:
                raise CheckpointError(f"{folder / name} is damaged: its checksum does not match")
        stems = [name for name in sums if name.endswith(".safetensors") and "/" not in name]
        tensors = {name.removesuffix(".safetensors"): load_file(folder / name) for name in stems}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"checkpoint {folder} cannot be read: {error}") from error
    return Checkpoint(state, tensors, folder)


def checkpoints(run: str | Path) -> list[Path]:
    """Return the checkpoint folders of a run, oldest first."""
    return sorted(p for p in (Path(run) / FOLDER).glob("step-*") if p.is_dir())


def latest_checkpoint(run: str | Path) -> Checkpoint | None:
    """Return the newest whole checkpoint, warning of each damaged one that is passed over."""
    found = checkpoints(run)
    for folder in reversed(found):
        try:
            return read_checkpoint(folder)
        except CheckpointError as error:
            then = "no whole one is left" if folder == found[0] else "taking the one before it"
            warnings.warn(f"{error}; {then}", stacklevel=2)
    return None


def resolve_checkpoint(path: str | Path, which: str = "best") -> Path:
    """Return the checkpoint folder that a run folder or checkpoint folder stands for.

    Args:
        path: a run folder, or one of its checkpoint folders.
        which: ``best`` (falls back to the last one) or ``last``.
    """
    path = Path(path)
    if (path / STATE).is_file():
        return path
    best = best_folder(path)
    if which == "best" and best is not None:
        return best
    found = checkpoints(path)
    if not found:
        raise CheckpointError(
            f"{path} holds no checkpoint; expected a run folder with {FOLDER}/step-*, "
            f"or one of those folders"
        )
    return found[-1]


def best_folder(run: str | Path) -> Path | None:
    """Return the checkpoint with the best validation loss, if it is there and known."""
    path = Path(run) / BEST
    if not path.is_file():
        return None
    try:
        folder = Path(run) / json.loads(path.read_text(encoding="utf-8"))["checkpoint"]
    except (ValueError, KeyError, TypeError):
        warnings.warn(f"{path} is damaged, so the best checkpoint is not known", stacklevel=2)
        return None
    return folder if (folder / STATE).is_file() else None


def mark_best(run: str | Path, folder: Path, metrics: Mapping[str, Any]) -> None:
    """Name a checkpoint the best one."""
    document = {"checkpoint": str(folder.relative_to(run)), **metrics}
    write_json(Path(run) / BEST, document)


def prune(run: str | Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints and the best one, and what crashes left."""
    spared = best_folder(run)
    for folder in checkpoints(run)[:-keep]:
        if folder != spared:
            shutil.rmtree(folder, ignore_errors=True)
    for aside in (Path(run) / FOLDER).glob(".step-*.tmp"):
        shutil.rmtree(aside, ignore_errors=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
