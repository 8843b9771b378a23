"""A model folder: the weights in ``model.safetensors``, the settings in ``config.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pepland_data.errors import InputError
from pepland_data.files.atomic import write_json
from pepland_data.files.json_forms import (
    MismatchError,
    both,
    flag,
    one_of,
    parse_json,
    record,
    settings,
    whole,
)
from pepland_model.network.config import OUTPUTS, PharmHGTConfig

MODEL = "model.safetensors"
CONFIG = "config.json"
HEADS = "heads.safetensors"
"""Heads imported with a published encoder."""
VOCABULARY = "vocab.txt"
"""Fragments in the order of the fragment head's labels."""
CONFIG_FORM = both(
    settings,
    record(
        {},
        {
            "hidden": whole(1, 2**14),
            "depth": whole(2, 1000),
            "heads": whole(1, 2**14),
            "output": one_of(*OUTPUTS),
            "dedup": one_of("auto", True, False),
            "keep_states": flag,
        },
    ),
)
"""What ``config.json`` holds; a missing setting has its default."""


def save_model(model: Any, folder: str | Path) -> Path:
    """Write weights and configuration into a folder, create it if needed, and return it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / MODEL, model.state_dict())
    write_json(folder / CONFIG, model.config.to_dict())
    return folder


def write_tensors(path: Path, named: Mapping[str, Tensor]) -> None:
    """Write tensors to a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    flat = {name: value.detach().cpu().contiguous().clone() for name, value in named.items()}
    try:
        save_file(flat, str(path))
    except SafetensorError as error:  # an error of the operating system, as text
        raise OSError(f"cannot write {path}: {error}") from error


def read_config(path: Path, **changes: Any) -> PharmHGTConfig:
    """Return the configuration in a JSON file, with changes; InputError where it is bad."""
    try:
        values = parse_json(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); expected a folder written by model.save"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}; save the model again") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no settings; save the model again")
    try:
        CONFIG_FORM(values)
    except MismatchError as error:
        raise InputError(f"{path} has a setting of the wrong type or size: {error}") from error
    return PharmHGTConfig.from_dict(values | changes)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a safetensors file; InputError where it is bad."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); "
            "expected a folder written by model.save"
        ) from error
    except SafetensorError as error:
        raise InputError(f"{path} is damaged or not safetensors: {error}") from error


def check_weights(
    weights: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    required: Iterable[str],
    source: str,
    remedy: str,
) -> None:
    """Raise InputError for a weight that is missing, unknown, not a tensor or of another shape."""
    for name in required:
        if name not in weights:
            raise InputError(f"{source} lacks {name!r}; {remedy}")
    for name, value in weights.items():
        if name not in shapes:
            raise InputError(f"{source} holds {name!r}, which the network does not have; {remedy}")
        if not isinstance(value, Tensor):
            raise InputError(f"{source}: {name!r} is not a tensor but {type(value).__name__}")
        if tuple(value.shape) != shapes[name]:
            difference = f"shape {tuple(value.shape)}, expected {shapes[name]}"
            raise InputError(f"{source}: {name!r} has {difference}; {remedy}")
