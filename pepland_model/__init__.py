"""PharmHGT on peptide heterographs: pre-training, embeddings, fine-tuning.

Input: stores of `pepland_data`, or texts. Output: model folders, vectors, predictions.

network/ - PharmHGT and the files that hold it; read first.
run/ - what every run needs: configuration, data, checkpoints, logs.
train/ - pre-training. embed/ - vectors of peptides. finetune/ - training on a property.
measure/ - speed and memory of the network.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "Embedder": "embed.embedder",
    "Embeddings": "embed.embedder",
    "PharmHGT": "network.pharmhgt",
    "PharmHGTConfig": "network.config",
    "PharmHGTOutput": "network.output",
    "PretrainHeads": "network.heads",
    "MaskOptions": "train.mask",
    "TrainingRun": "run.training_run",
    "mask_batch": "train.mask",
    "open_run": "run.training_run",
}

__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from pepland_model.embed.embedder import Embedder as Embedder
    from pepland_model.embed.embedder import Embeddings as Embeddings
    from pepland_model.network.config import PharmHGTConfig as PharmHGTConfig
    from pepland_model.network.heads import PretrainHeads as PretrainHeads
    from pepland_model.network.output import PharmHGTOutput as PharmHGTOutput
    from pepland_model.network.pharmhgt import PharmHGT as PharmHGT
    from pepland_model.run.training_run import TrainingRun as TrainingRun
    from pepland_model.run.training_run import open_run as open_run
    from pepland_model.train.mask import MaskOptions as MaskOptions
    from pepland_model.train.mask import mask_batch as mask_batch


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
