"""The parameters of the network, counted by the estimate, beside those in a checkpoint."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from math import prod
from pathlib import Path
from typing import Any

from safetensors import safe_open

from benchmarks.common.commands import ONE_THREAD, train_arguments
from benchmarks.estimate.compare import compared
from pepland_model.estimate.corpus import Corpus
from pepland_model.estimate.parameters import parameters
from pepland_model.run.config import ModelConfig

FLAGS = {"max-steps": 1, "batch-size": 2, "device": "cpu", "eval-every": 0, "valid-fraction": 0}
ENCODER, TRAINED = "all of the network, without heads", "all that is trained"
HEADS = ("head of atoms", "head of fragments", "head of bonds")


def checkpoint_parameters(corpus: Corpus) -> dict[str, Any]:
    """Return the parameters of a new network, beside those that the trainer writes after a step."""
    answer = parameters(corpus, ModelConfig())
    total = {row["part"]: row["parameters"] for row in answer.rows}
    trained = {row["part"]: row["trained"] for row in answer.rows}[TRAINED]
    with tempfile.TemporaryDirectory() as scratch:
        folder = checkpoint(corpus, Path(scratch) / "run")
        written = {
            "model.safetensors": (total[ENCODER], shapes(folder / "model.safetensors")),
            "weights.safetensors": (
                total[ENCODER] + sum(total[head] for head in HEADS),
                shapes(folder / "weights.safetensors"),
            ),
            "optimizer.safetensors, exp_avg": (
                trained, shapes(folder / "optimizer.safetensors", "exp_avg/"),
            ),
        }  # fmt: skip
    return {"rows": [{"file": name, **compared("parameters", counted, sum(map(prod, found)))}
                     for name, (counted, found) in written.items()]}  # fmt: skip


def checkpoint(corpus: Corpus, out: Path) -> Path:
    """Train for one step, and return the folder of the checkpoint."""
    arguments = train_arguments(corpus.stores[0].path, out, FLAGS)
    subprocess.run(
        [sys.executable, *arguments], env=ONE_THREAD, check=True, stdout=subprocess.DEVNULL
    )
    (found,) = (out / "checkpoints").glob("step-*")
    return found


def shapes(path: Path, start: str = "") -> list[list[int]]:
    """Return the shapes of the tensors of a file whose names have this start."""
    with safe_open(path, "pt") as file:
        return [file.get_slice(n).get_shape() for n in file.keys() if n.startswith(start)]  # noqa: SIM118
