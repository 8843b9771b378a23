"""Load the encoder of a run, a checkpoint or imported weights, ready to compute embeddings."""

from __future__ import annotations

from pathlib import Path

import torch

from pepland_data.errors import InputError
from pepland_data.files.atomic import file_sha256
from pepland_data.files.json_forms import maybe, record, text
from pepland_model.network.model_files import MODEL
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.run.checkpoint import STATE, CheckpointError, read_state, resolve_checkpoint

CUT_FORM = record({}, {"cut": maybe(text)})


def source_folder(source: str | Path) -> Path:
    """Return the folder with the model files of a run, a checkpoint or a model folder."""
    folder = Path(source)
    models = sorted(folder.glob(f"seed-*/model/{MODEL}"))
    if len(models) == 1:
        return models[0].parent
    if models:
        raise CheckpointError(
            f"{source} has {len(models)} models; name one of them, such as {models[0].parent} "
            "(only pepland-embed --predict takes the run itself)"
        )
    return folder if (folder / MODEL).is_file() else resolve_checkpoint(folder)


def load_encoder(
    source: str | Path,
    device: torch.device | str = "cpu",
    dedup: bool | str | None = None,
) -> PharmHGT:
    """Load the encoder of a run (its best checkpoint), a checkpoint folder or a model folder.

    Args:
        source: the folder. If the run kept a moving average of the weights, the average is loaded.
        device: device of the returned encoder.
        dedup: see `PharmHGTConfig`; None keeps the setting of the run.

    Returns:
        The encoder in evaluation mode, without gradients.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        InputError: a file cannot be read, or the weights do not fit the configuration.
    """
    folder = source_folder(source)
    if (folder / STATE).is_file():
        _check_sum(folder)
    encoder = PharmHGT.load(folder, **({} if dedup is None else {"dedup": dedup}))
    return encoder.requires_grad_(False).to(device)


def trained_cut(source: str | Path) -> str | None:
    """Return the cut of the data that an encoder was trained on; None if it is not known."""
    folder = source_folder(source)
    if not (folder / STATE).is_file():
        return None
    return read_state(folder, CUT_FORM).get("cut") or None


def check_cut(trained: str | None, wanted: str, what: str) -> None:
    """Raise InputError if an encoder was trained on fragments of another cut.

    Args:
        trained: cut of the encoder's training data; None if it is not known.
        wanted: cut of the new data; '' if it is not known.
        what: name of the new data, for the message.
    """
    if trained and wanted and trained != wanted:
        raise InputError(
            f"the encoder was trained on fragments of {trained!r}, but the cut of {what} is "
            f"{wanted!r}; use --cut {trained}"
        )


def _check_sum(folder: Path) -> None:
    """Raise CheckpointError if the weights of a checkpoint do not have the recorded checksum."""
    path = folder / MODEL
    undamaged = path.is_file() and read_state(folder)["files"].get(MODEL) == file_sha256(path)
    if not undamaged:
        raise CheckpointError(
            f"{path} is damaged: its checksum does not match; name another checkpoint of the run"
        )
