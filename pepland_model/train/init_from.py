"""Start a run from the weights, heads and vocabulary of another run (``--init-from``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pepland_data.errors import InputError
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.network.model_files import (
    CONFIG,
    HEADS,
    MODEL,
    VOCABULARY,
    read_config,
    read_weights,
)
from pepland_model.run.checkpoint import STATE, CheckpointError, read_checkpoint
from pepland_model.run.config import ModelConfig, TrainConfig
from pepland_model.run.load_encoder import source_folder
from pepland_model.train.pretrain_network import PretrainNetwork

HEAD = "heads.fragment."


def source_vocabulary(config: TrainConfig) -> Vocabulary | None:
    """Return the vocabulary of the source run, None if there is none."""
    if not config.run.init_from:
        return None
    path = source_folder(config.run.init_from) / VOCABULARY
    return Vocabulary.from_file(path) if path.is_file() else None


def with_source_sizes(config: TrainConfig) -> TrainConfig:
    """Return the configuration with the sizes and the output of the source encoder.

    Raises:
        InputError: the configuration sets a size or output that differs from the source.
    """
    if not config.run.init_from:
        return config
    path = source_folder(config.run.init_from) / CONFIG
    if not path.is_file():
        return config
    found = read_config(path)
    taken: dict[str, Any] = {"output": found.output, "hidden": found.hidden,
                             "depth": found.depth, "heads": found.heads}  # fmt: skip
    for key, value in taken.items():
        given, default = getattr(config.model, key), getattr(ModelConfig, key)
        if given not in (default, value):
            raise InputError(
                f"--{key} is {given!r}, but the encoder of {config.run.init_from} has {value!r}; "
                f"leave out --{key}"
            )
    return replace(config, model=replace(config.model, **taken))


def carry_over(network: PretrainNetwork, source: str | Path) -> str:
    """Load the weights of another run into a network.

    Rows of the fragment head are matched by fragment SMILES; rows of new fragments do not change.

    Args:
        network: a new network.
        source: run folder, checkpoint folder or model folder.

    Returns:
        One line that names what was loaded, and the new fragments.
    """
    folder = source_folder(source)
    if not (folder / STATE).is_file():
        return _load_model_folder(network, folder)
    tensors = read_checkpoint(folder).tensors
    if "weights" not in tensors and (folder / MODEL).is_file():
        return _load_model_folder(network, folder)
    if "weights" not in tensors:
        raise CheckpointError(
            f"{folder} has no weights of a pre-training run; name another run or model folder"
        )
    weights = tensors["weights"] | tensors.get("average", {})
    known = Vocabulary.from_file(folder / VOCABULARY)
    own = network.state_dict()
    taken = {name: value for name, value in weights.items() if not name.startswith(HEAD)}
    _check_shapes(taken, own, folder)
    for name in (n for n in weights if n.startswith(HEAD) and n in own):
        _check_rows(name, own[name], weights[name], known, folder)
        taken[name] = match_rows(own[name], weights[name], network.vocabulary, known)
    network.load_state_dict({**own, **taken})
    new = [f for f in network.vocabulary.fragments if f not in set(known.fragments)]
    if not new:
        return f"weights, heads and vocabulary from {folder}"
    return f"weights and heads from {folder}; {len(new)} new fragments: {', '.join(new)}"


def _load_model_folder(network: PretrainNetwork, folder: Path) -> str:
    """Load the encoder of a model folder, and its heads if it has some."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = {f"encoder.{n}": t for n, t in load_file(folder / MODEL).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read {folder / MODEL}: {error}; name another run or model folder"
        ) from error
    own = network.state_dict()
    # Without the junction view, its weights in the source are not used.
    taken = {n: t for n, t in weights.items() if n in own}
    _check_shapes(taken, own, folder)
    heads = _imported_heads(network, folder)
    network.load_state_dict({**own, **taken, **heads})
    named = sorted({name.split(".")[1] for name in heads})
    rest = f"{' and '.join(named)} head from {folder}" if named else "the heads are new"
    return f"encoder from {folder}; {rest}"


def _imported_heads(network: PretrainNetwork, folder: Path) -> dict[str, Tensor]:
    """Return the heads of an imported model, with their rows matched by fragment SMILES."""
    if not (folder / HEADS).is_file():
        return {}
    own, heads = network.state_dict(), read_weights(folder / HEADS)
    for name in (n for n in heads if n.startswith(HEAD) and n in own):
        known = Vocabulary.from_file(folder / VOCABULARY)
        _check_rows(name, own[name], heads[name], known, folder)
        heads[name] = match_rows(own[name], heads[name], network.vocabulary, known)
    _check_shapes(heads, own, folder)
    return heads


def match_rows(
    new_rows: Tensor, trained: Tensor, vocabulary: Vocabulary, known: Vocabulary
) -> Tensor:
    """Return `new_rows` with the trained rows of the fragments that are in both vocabularies.

    Args:
        new_rows: [V', ...] rows of the new head: one per label, then unknown, then padding.
        trained: [V, ...] rows of the trained head.
        vocabulary: labels of the new head.
        known: labels of the trained head.
    """
    result = new_rows.clone()
    old = torch.from_numpy(known.labels(vocabulary.fragments))
    new = torch.arange(len(vocabulary))
    shared = old != known.unknown
    result[new[shared]] = trained[old[shared]].to(result)
    # Unknown and padding: training has made the logits of the padding low.
    rest = torch.arange(vocabulary.unknown, len(result))
    source = (rest - vocabulary.unknown + known.unknown).clamp(max=len(trained) - 1)
    result[rest] = trained[source].to(result)
    return result


def _check_rows(name: str, own: Tensor, trained: Tensor, known: Vocabulary, folder: Path) -> None:
    """Raise CheckpointError if a trained head has no row for a label, or rows of another width."""
    if trained.ndim != own.ndim or trained.shape[1:] != own.shape[1:] or len(trained) < len(known):
        raise CheckpointError(
            f"{folder} does not fit its {VOCABULARY} of {len(known)} fragments: {name} is "
            f"{tuple(trained.shape)}; name another run or model folder"
        )


def _check_shapes(taken: Mapping[str, Tensor], own: Mapping[str, Tensor], folder: Path) -> None:
    for name, value in taken.items():
        if name not in own or own[name].shape != value.shape:
            mine = tuple(own[name].shape) if name in own else "absent"
            raise CheckpointError(
                f"{folder} does not fit this model: {name} is {tuple(value.shape)} there and "
                f"{mine} here; use the settings in the [model] section of that run"
            )
