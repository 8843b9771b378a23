"""A published PepLand checkpoint as a model folder of this project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pepland_data.errors import InputError
from pepland_model.config import PharmHGTConfig
from pepland_model.network import save_encoder
from pepland_model.pharmhgt import PharmHGT
from pepland_model.torch_file import read_tensors

FIRST = "w_atom.weight"


def import_upstream(checkpoint: str | Path, out: str | Path) -> dict[str, Any]:
    """Write the encoder of a published checkpoint to a folder; tensors are all that is read.

    The released weights were trained with output ``checkpoint``, so that is what the folder says.

    Args:
        checkpoint: ``.pth`` of a state dict or a whole module.
        out: new or empty folder.

    Raises:
        InputError: not such a file, other names or shapes, or a folder that holds something.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; choose a new folder")
    tensors = without_prefix(read_tensors(checkpoint), checkpoint)
    model = PharmHGT(config_of(tensors))
    model.load_upstream_state_dict(tensors)
    folder.mkdir(parents=True, exist_ok=True)
    save_encoder(model, folder)
    return {"out": str(folder), "tensors": len(tensors), "config": model.config.to_dict()}


def without_prefix(tensors: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Return the encoder's tensors under their own names, whatever wrapped them."""
    wrapped = [name for name in tensors if name == FIRST or name.endswith(f".{FIRST}")]
    if len(wrapped) != 1:
        raise InputError(f"{path} holds no {FIRST!r}; expected a PharmHGT checkpoint")
    prefix = wrapped[0].removesuffix(FIRST)
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def config_of(tensors: Mapping[str, Tensor]) -> PharmHGTConfig:
    """Return sizes from shapes and names."""
    rounds = [n for n in tensors if re.fullmatch(r"mp\.mp_list\.aba\.\d+\.weight", n)]
    hidden = int(tensors[FIRST].shape[0])
    return PharmHGTConfig(hidden=hidden, depth=len(rounds) + 1, output="checkpoint")
