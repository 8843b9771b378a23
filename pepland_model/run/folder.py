"""The run folder: who may write into it, what it says about where it came from."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
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
    """Hold the run folder for this process; the system lets go of it even after kill -9."""
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
    """Refuse a folder that holds something else, or a run with other settings."""
    if not run.exists():
        return
    if not run.is_dir():
        raise InputError(f"{run} is a file; --out must name a folder")
    ours = (run / CONFIG).is_file() or (run / FOLDER).is_dir() or (run / ".lock").is_file()
    if any(run.iterdir()) and not ours:
        raise InputError(f"{run} holds something else than a run; choose another --out")
    stored = _stored_config(run)
    if stored is None:
        return
    changed = differences(stored, config)
    if changed:
        raise InputError(
            f"the run in {run} has other settings ({'; '.join(changed)}); choose another --out, "
            f"or give its settings to go on with it"
        )


def _stored_config(run: Path) -> TrainConfig | None:
    for folder in reversed(checkpoint_folders(run)):
        try:
            return from_dict(read_checkpoint(folder).state["config"], str(folder))
        except (ValueError, KeyError):
            continue  # a damaged checkpoint is reported when it would be used
    return None


def write_provenance(
    run: Path, config: TrainConfig, data: Mapping[str, Any], fingerprint: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the resolved configuration and where data and code came from; return the latter."""
    write_atomic_bytes(run / CONFIG, to_toml(config.as_dict()).encode())
    facts: dict[str, Any] = {"versions": versions(), "commit": commit(), "data": dict(data)}
    facts["fingerprint"] = dict(fingerprint)
    facts["threads"] = torch.get_num_threads()
    write_json(run / "run.json", facts)
    return facts


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = pepland_data.__version__ if name == "pepland-data" else "absent"
    return found


def commit() -> str | None:
    """Return the git commit of the code that runs, None where it is not in a checkout."""
    root = Path(pepland_data.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None  # no git on this machine: the version is all there is to say
    return done.stdout.strip() or None
