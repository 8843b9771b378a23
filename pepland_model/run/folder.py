"""The run folder: its lock, its settings, and the versions and data it was made with."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import pepland_data
from pepland_data.errors import InputError
from pepland_data.files.atomic import write_atomic_bytes, write_json
from pepland_model.run.checkpoint import FOLDER, read_checkpoint
from pepland_model.run.checkpoint import checkpoints as checkpoint_folders
from pepland_model.run.config import TrainConfig, differences, from_dict, to_toml

CONFIG = "config.toml"
PACKAGES = ("pepland-data", "torch", "numpy", "pyarrow", "safetensors")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Lock the run folder for this process; the system releases the lock even after kill -9."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another process trains in {run}; wait for it, or choose another --out"
            ) from None
        yield


def check_folder(run: Path, config: TrainConfig) -> None:
    """Raise InputError for a folder that is not a run folder, or of a run with other settings."""
    if not run.exists():
        return
    if not run.is_dir():
        raise InputError(f"{run} is a file; --out must name a folder")
    ours = (run / CONFIG).is_file() or (run / FOLDER).is_dir() or (run / ".lock").is_file()
    if any(run.iterdir()) and not ours:
        raise InputError(f"{run} is not empty and not a run folder; choose another --out")
    stored = _stored_config(run)
    if stored is None:
        return
    refuse_changes(run, differences(stored, config))


def refuse_changes(run: Path, changed: Sequence[str]) -> None:
    """Raise InputError if there are changed settings."""
    if changed:
        raise InputError(
            f"the run in {run} has other settings ({'; '.join(changed)}); choose another --out, "
            "or use the same settings to resume it"
        )


def _stored_config(run: Path) -> TrainConfig | None:
    for folder in reversed(checkpoint_folders(run)):
        try:
            return from_dict(read_checkpoint(folder).state["config"], str(folder))
        except (ValueError, KeyError):
            continue  # `latest_checkpoint` reports a damaged checkpoint
    return None


def write_provenance(
    run: Path, config: TrainConfig, data: Mapping[str, Any], fingerprint: Mapping[str, Any]
) -> dict[str, Any]:
    """Write ``config.toml`` and ``run.json`` (versions, commit, data, threads); return the latter.

    Args:
        run: run folder.
        config: all settings.
        data: description of the data, for people.
        fingerprint: digests of the data.
    """
    write_atomic_bytes(run / CONFIG, to_toml(config.as_dict()).encode())
    provenance: dict[str, Any] = {
        "versions": versions(), "commit": commit(), "data": dict(data),
        "fingerprint": dict(fingerprint), "threads": torch.get_num_threads(),
    }  # fmt: skip
    write_json(run / "run.json", provenance)
    return provenance


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect the results."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = pepland_data.__version__ if name == "pepland-data" else "absent"
    return found


def commit() -> str | None:
    """Return the git commit of the running code, None if it is not in a git checkout."""
    root = Path(pepland_data.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None  # no git on this machine
    return done.stdout.strip() or None
