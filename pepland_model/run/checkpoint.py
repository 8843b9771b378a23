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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pepland_data.errors import PeplandError
from pepland_data.files.atomic import file_sha256, write_json
from pepland_data.files.json_forms import (
    NAME,
    Form,
    anything,
    both,
    checked,
    mapping,
    pattern,
    record,
    sha256_hex,
)
from pepland_model.network.model_files import write_tensors

STATE = "state.json"
FOLDER = "checkpoints"
BEST = "best.json"

STATE_FORM = record({"files": mapping(sha256_hex, rf"(?:{NAME}/)*{NAME}")})
"""What the state of every checkpoint holds."""
BEST_FORM = record({"checkpoint": pattern(rf"{FOLDER}/step-[0-9]+", "a checkpoint of this run")})


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


def read_state(folder: Path, form: Form = anything) -> dict[str, Any]:
    """Return the JSON values of a checkpoint, with ``files``.

    Args:
        folder: of the checkpoint.
        form: what the values must be, besides the list of files.

    Raises:
        CheckpointError: they cannot be read, or are not of the form.
    """
    found: dict[str, Any] = read_run_json(folder / STATE, both(STATE_FORM, form))
    return found


def read_run_json(path: Path, form: Form) -> Any:
    """Return a JSON file of a run, whoever wrote it; CheckpointError if it is not of a form."""
    try:
        return checked(path.read_bytes(), form, constants=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({_line(error)}); delete this folder, or copy the run again"
        ) from error


def read_checkpoint(folder: Path, form: Form = anything) -> Checkpoint:
    """Return a checkpoint after checking every file; CheckpointError if it is damaged.

    Args:
        folder: of the checkpoint.
        form: what its JSON values must be.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state = read_state(folder, form)
    sums = state.pop("files")
    try:
        for name, expected in sums.items():
            if not (folder / name).is_file() or file_sha256(folder / name) != expected:
                raise CheckpointError(
                    f"{folder / name} is damaged: its checksum does not match; delete this "
                    "checkpoint folder"
                )
        stems = [name for name in sums if name.endswith(".safetensors") and "/" not in name]
        tensors = {name.removesuffix(".safetensors"): load_file(folder / name) for name in stems}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"checkpoint {folder} cannot be read: {_line(error)}; delete this folder"
        ) from error
    return Checkpoint(state, tensors, folder)


@contextmanager
def refused_if_unusable(path: Path | None) -> Iterator[None]:
    """Raise CheckpointError if the tensors of a checkpoint do not fit where they are loaded."""
    try:
        yield
    except (PeplandError, torch.OutOfMemoryError):
        raise
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(
            f"checkpoint {path} does not fit this run ({type(error).__name__}: {_line(error)}); "
            "delete this folder to resume from the checkpoint before it"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def checkpoints(run: str | Path) -> list[Path]:
    """Return the checkpoint folders of a run, oldest first."""
    return sorted(p for p in (Path(run) / FOLDER).glob("step-*") if p.is_dir())


def latest_checkpoint(run: str | Path, form: Form = anything) -> Checkpoint | None:
    """Return the newest undamaged checkpoint, and warn of each damaged one that is skipped.

    Args:
        run: run folder.
        form: what the JSON values of a checkpoint must be.
    """
    found = checkpoints(run)
    for folder in reversed(found):
        try:
            return read_checkpoint(folder, form)
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
        folder = Path(run) / read_run_json(path, BEST_FORM)["checkpoint"]
    except CheckpointError:
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
