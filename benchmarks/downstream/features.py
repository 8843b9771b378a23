"""Peptides to numbers: vectors of an encoder, counts of fragments, count-ECFP."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.downstream.tasks import Task
from pepland_data import BuildOptions, build
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.files.atomic import file_sha256
from pepland_data.store.graph_store import GraphStore, open_store
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.embed.embed import EmbedInput, embed
from pepland_model.finetune.baseline import composition
from pepland_model.network.model_files import MODEL
from pepland_model.network.pooling import READOUTS, Pooling
from pepland_model.run.load_encoder import source_folder

Matrix = npt.NDArray[np.float32]
RADIUS, BITS = 8, 2048
TARGET = "target"
"""Column of the stores."""
COUNTS, ECFP = "fragment counts, sizes", "count-ECFP"


@dataclass(frozen=True)
class Features:
    """A row of the table: one way to turn the peptides of a task into numbers."""

    name: str
    source: str
    """Digest of what the numbers depend on, beside task and seed."""
    matrix: Callable[[Task, GraphStore, int], Matrix]
    """Of a task, its store and a seed: [N, w]."""


def all_features(config: PharmHGTConfig, checkpoints: list[str]) -> list[Features]:
    """Return every row of the table.

    Args:
        config: of the untrained networks.
        checkpoints: runs, checkpoints or model folders.
    """
    untrained = sha256(repr(config).encode()).hexdigest()
    made = [Features(f"untrained: {r}", untrained, of_untrained(config, r)) for r in READOUTS]
    for path in checkpoints:
        digest = file_sha256(source_folder(path) / MODEL)
        made += [Features(f"{Path(path).name}: {r}", digest, of_model(path, r)) for r in READOUTS]
    ecfp = Features(ECFP, f"{RADIUS} {BITS}", lambda task, store, seed: count_ecfp(task.smiles))
    return [*made, Features(COUNTS, "", lambda task, store, seed: composition((store,))), ecfp]


def task_store(task: Task, folder: Path) -> GraphStore:
    """Return the store of a task, every row of which is a graph; it is built once."""
    path = folder / f"{task.name}-store"
    if not (path / "manifest.json").is_file():
        file = folder / f"{task.name}.csv"
        lines = [f"{text},{target}" for text, target in zip(task.smiles, task.targets, strict=True)]
        file.write_text("\n".join([f"smiles,{TARGET}", *lines, ""]), encoding="utf-8")
        build(file, path, BuildOptions(FeaturizeOptions(input_format="smiles"), workers=2))
    store = open_store(path)
    if not np.array_equal(store.row_id, np.arange(len(task.smiles))):
        raise SystemExit(f"some rows of {task.name} are no peptides; take them out")
    return store


def of_untrained(config: PharmHGTConfig, readout: str) -> Callable[..., Matrix]:
    """Return the function to vectors of a network whose weights are drawn with the seed."""

    def matrix(task: Task, store: GraphStore, seed: int) -> Matrix:
        torch.manual_seed(seed)
        with tempfile.TemporaryDirectory() as folder:
            PharmHGT(config).save(folder)
            return vectors(folder, store, readout)

    return matrix


def of_model(path: str, readout: str) -> Callable[..., Matrix]:
    """Return the function to vectors of a trained encoder."""
    return lambda task, store, seed: vectors(path, store, readout)


def vectors(checkpoint: str | Path, store: GraphStore, readout: str) -> Matrix:
    """Return what ``pepland-embed --readout`` writes for a store."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "vectors.npz"
        embed(checkpoint, EmbedInput(str(store.path)), out, Pooling(readout=readout))
        return np.load(out)["embedding"]


def count_ecfp(smiles: list[str]) -> Matrix:
    """Return how often each hashed environment of up to radius 8 occurs. [N, 2048]."""
    from rdkit import Chem
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    generator: Any = GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    molecules = [Chem.MolFromSmiles(text) for text in smiles]
    return np.stack([generator.GetCountFingerprintAsNumPy(m) for m in molecules]).astype(np.float32)
