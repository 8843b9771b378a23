"""Read and write checkpoints: safetensors and JSON, no pickle.

A checkpoint is a folder of tensor files and ``state.json``, which holds JSON values and the SHA-256
of every other file. It is written to a temporary folder, flushed to disk, and renamed, so that it
is complete or absent. A reader warns of a damaged checkpoint and takes the previous one.
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
    """A checkpoint is damaged, missing, or of another model."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything a run needs to resume from one step."""

    state: dict[str, Any]
    """JSON values: step, epoch, loader position, configuration."""
    tensors: dict[str, dict[str, Tensor]]
    """File stem -> name -> tensor on the CPU."""
    path: Path | None = None
    """Folder it was read from."""


def step_folder(run: str | Path, step: int) -> Path:
    """Return the folder of the checkpoint of a step."""
    return Path(run) / FOLDER / f"step-{step:09d}"


def write_checkpoint(
    folder: Path,
    state: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    extra: Callable[[Path], None] | None = None,
) -> Path:
    """Write a checkpoint folder, complete or not at all.

    Args:
        folder: final name; an existing folder of that name is replaced.
        state: JSON values.
        tensors: file stem -> name -> tensor; no file is written for an empty mapping.
        extra: function that writes more files into the folder it is given, such as the model.

    Raises:
        OSError: no space or no permission; the existing folder is unchanged.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        _write_files(temporary, state, tensors, extra)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush(folder.parent)
    return folder


def _write_files(
    temporary: Path,
    state: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    extra: Callable[[Path], None] | None,
) -> None:
    for stem, named in tensors.items():
        if named:
            write_tensors(temporary / f"{stem}.safetensors", named)
    if extra is not None:
        extra(temporary)
    files = sorted(p for p in temporary.rglob("*") if p.is_file())
    sums = {str(p.relative_to(temporary)): file_sha256(p) for p in files}
    for path in files:
        _flush(path)
    document = {**state, "files": sums}
    (temporary / STATE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _flush(temporary / STATE)
    _flush(temporary)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Return a checkpoint after checking every file; CheckpointError if it is damaged."""
    from safetensors.torch import load_file

    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        sums = state.pop("files")
        for name, expected in sums.items():
            if file_sha256(folder / name) != expected:
                raise CheckpointError(
                    f"{folder / name} is damaged: its checksum does not match; delete this "
                    "checkpoint folder"
                )
        stems = [name for name in sums if name.endswith(".safetensors") and "/" not in name]
        tensors = {name.removesuffix(".safetensors"): load_file(folder / name) for name in stems}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"checkpoint {folder} cannot be read: {error}; delete this folder"
        ) from error
    return Checkpoint(state, tensors, folder)


def checkpoints(run: str | Path) -> list[Path]:
    """Return the checkpoint folders of a run, oldest first."""
    return sorted(p for p in (Path(run) / FOLDER).glob("step-*") if p.is_dir())


def latest_checkpoint(run: str | Path) -> Checkpoint | None:
    """Return the newest undamaged checkpoint, and warn of each damaged one that is skipped."""
    found = checkpoints(run)
    for folder in reversed(found):
        try:
            return read_checkpoint(folder)
        except CheckpointError as error:
            then = "no other is left" if folder == found[0] else "using the previous checkpoint"
            warnings.warn(f"{error}; {then}", stacklevel=2)
    return None


def resolve_checkpoint(path: str | Path, which: str = "best") -> Path:
    """Return the checkpoint folder of a run folder; a checkpoint folder is returned as it is.

    Args:
        path: a run folder, or one of its checkpoint folders.
        which: ``best`` (the last one if the best is not known) or ``last``.
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
    """Return the checkpoint folder with the lowest validation loss, None if it is not known."""
    path = Path(run) / BEST
    if not path.is_file():
        return None
    try:
        folder = Path(run) / json.loads(path.read_text(encoding="utf-8"))["checkpoint"]
    except (ValueError, KeyError, TypeError):
        warnings.warn(f"{path} is damaged, so the best checkpoint is unknown", stacklevel=2)
        return None
    return folder if (folder / STATE).is_file() else None


def mark_best(run: str | Path, folder: Path, metrics: Mapping[str, Any]) -> None:
    """Record a checkpoint as the best one, with its metrics."""
    write_json(Path(run) / BEST, {"checkpoint": str(folder.relative_to(run)), **metrics})


def prune(run: str | Path, keep: int) -> None:
    """Delete all checkpoints but the newest `keep` and the best one, and temporary folders."""
    best = best_folder(run)
    for folder in checkpoints(run)[:-keep]:
        if folder != best:
            shutil.rmtree(folder, ignore_errors=True)
    for temporary in (Path(run) / FOLDER).glob(".step-*.tmp"):
        shutil.rmtree(temporary, ignore_errors=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
