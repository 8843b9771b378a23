"""Convert a published PepLand checkpoint to a model folder of this project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pepland_data.errors import InputError
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.heads import NUM_ELEMENTS, padded
from pepland_model.network.model_files import HEADS, VOCABULARY, save_model, write_tensors
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.network.published.torch_file import read_tensors

FIRST = "w_atom.weight"


def import_upstream(
    checkpoint: str | Path,
    out: str | Path,
    atom_head: str | Path | None = None,
    fragment_head: str | Path | None = None,
    vocabulary: str | Path | None = None,
) -> dict[str, Any]:
    """Write a published encoder, and its heads, to a model folder.

    Only tensors are read from the files. The configuration has output ``checkpoint``, with which
    the released weights were trained.

    Args:
        checkpoint: ``.pth`` file of a state dict or of a whole module.
        out: new or empty folder.
        atom_head: such a file of the linear layer that predicts elements.
        fragment_head: such a file of the linear layer that predicts fragments.
        vocabulary: file with the fragments, in the order of the labels of `fragment_head`.

    Raises:
        InputError: a file is no such checkpoint, a name or shape differs, only one of
            `fragment_head` and `vocabulary` is set, or the folder is not empty.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; choose a new folder")
    if (fragment_head is None) != (vocabulary is None):
        raise InputError("a fragment head and its vocabulary belong together; pass both or neither")
    tensors = without_prefix(read_tensors(checkpoint), checkpoint)
    model = PharmHGT(config_of(tensors))
    model.load_upstream_state_dict(tensors)
    for name, weight in model.state_dict().items():
        if not weight.isfinite().all():
            raise InputError(f"{checkpoint}: {name!r} holds NaN or infinite numbers")
    hidden = model.config.hidden
    heads: dict[str, Tensor] = {}
    if atom_head is not None:
        heads |= linear_layer("heads.atom", atom_head, (NUM_ELEMENTS, hidden))
    if fragment_head is not None and vocabulary is not None:
        known = Vocabulary.from_file(vocabulary)
        heads |= linear_layer("heads.fragment", fragment_head, (padded(len(known) + 1), hidden))
    save_model(model, folder)
    if heads:
        write_tensors(folder / HEADS, heads)
    if fragment_head is not None:
        known.write(folder / VOCABULARY)
    return {"out": str(folder), "tensors": len(tensors), "heads": sorted(heads),
            "config": model.config.to_dict()}  # fmt: skip


def linear_layer(name: str, path: str | Path, shape: tuple[int, int]) -> dict[str, Tensor]:
    """Return weight and bias of the linear layer in a file, under a new name.

    Raises:
        InputError: the file is not one linear layer, or the shape differs.
    """
    tensors = read_tensors(path)
    layers = {
        kind: [t for n, t in tensors.items() if f".{n}".endswith(f".{kind}")]
        for kind in ("weight", "bias")
    }
    if any(len(each) != 1 for each in layers.values()):
        raise InputError(f"{path} is not one linear layer; it holds {', '.join(tensors)}")
    weight, bias = (each[0] for each in layers.values())
    if tuple(weight.shape) != shape or tuple(bias.shape) != shape[:1]:
        shapes = f"{tuple(weight.shape)} and {tuple(bias.shape)}, expected {shape} and {shape[:1]}"
        raise InputError(f"{path}: weight and bias have shapes {shapes}")
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def without_prefix(tensors: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of the encoder, without the prefix of the module around it."""
    wrapped = [name for name in tensors if name == FIRST or name.endswith(f".{FIRST}")]
    if not wrapped:
        raise InputError(f"{path} holds no {FIRST!r}; expected a PharmHGT checkpoint")
    if len(wrapped) > 1:
        raise InputError(f"{path} holds several encoders ({', '.join(wrapped)}); save one of them")
    prefix = wrapped[0].removesuffix(FIRST)
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def config_of(tensors: Mapping[str, Tensor]) -> PharmHGTConfig:
    """Return the configuration that the shapes and names imply."""
    rounds = [n for n in tensors if re.fullmatch(r"mp\.mp_list\.aba\.\d+\.weight", n)]
    if tensors[FIRST].ndim != 2 or not rounds:
        raise InputError("the state dict has other shapes or layers than the published network")
    hidden = int(tensors[FIRST].shape[0])
    return PharmHGTConfig(hidden=hidden, depth=len(rounds) + 1, output="checkpoint")
