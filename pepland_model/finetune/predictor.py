"""A fine-tuned run as a predictor: the models of all its seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.files.atomic import file_sha256
from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_model.embed.encoder import Encoder, NodeVectors
from pepland_model.finetune.task_network import SAVED, HeadConfig, Task, TaskHead, TaskNetwork
from pepland_model.network.model_files import MODEL
from pepland_model.network.pooling import Pooling
from pepland_model.run.checkpoint import STATE, CheckpointError, read_checkpoint


def model_folders(run: str | Path) -> list[Path]:
    """Return the model folders of a fine-tuned run; a model folder is returned as it is.

    Raises:
        CheckpointError: there is none.
    """
    run = Path(run)
    if (run / STATE).is_file() and (run / "head.safetensors").is_file():
        return [run]
    numbered = re.compile("seed--?[0-9]+").fullmatch
    models = (p for p in run.glob("seed-*/model") if numbered(p.parent.name))
    found = [p for p in models if (p / STATE).is_file()]
    if not found:
        raise CheckpointError(
            f"{run} has no fine-tuned model; name a run of pepland-train --task regression or "
            "classification, or one of its seed-*/model folders"
        )
    return sorted(found, key=lambda p: int(p.parent.name.partition("-")[2]))


class Predictor:
    """The models of a fine-tuned run, with the methods of `Encoder`.

    The vector of a graph is the concatenated predictions of all seeds.

    Args:
        run: fine-tuned run, or one of its model folders.
        device: device of the models.
        exact: see `Encoder`.

    Raises:
        CheckpointError: a model is missing or damaged.
        InputError: the models have different tasks.
    """

    def __init__(
        self, run: str | Path, device: torch.device | str = "cpu", exact: bool = False
    ) -> None:
        self.device, self.exact = torch.device(device), exact
        self._encoders: dict[str, Encoder] = {}
        self._networks: list[tuple[str, Task, TaskNetwork]] = []
        for folder in model_folders(run):
            self._add(folder)
        self.task = self._networks[0][1]
        self.cut = next(iter(self._encoders.values())).cut
        kinds = {(task.kind, task.targets, task.classes) for _, task, _ in self._networks}
        if len(kinds) > 1:
            raise InputError(
                f"the models in {run} have different tasks; name one of its seed-*/model folders"
            )

    def _add(self, folder: Path) -> None:
        """Load a model; seeds with the same frozen encoder share it."""
        found = read_checkpoint(folder, SAVED)
        task, config = (
            Task.from_dict(found.state["task"]),
            HeadConfig.from_dict(found.state["head"]),
        )
        weights, digest = found.tensors.get("head", {}), file_sha256(folder / MODEL)
        if digest not in self._encoders:
            self._encoders[digest] = Encoder(folder, self.device, self.exact)
        encoder = self._encoders[digest].model
        _check_head(folder, encoder.config.hidden, task, config, weights)
        network = TaskNetwork(encoder, config)
        network.head.load_state_dict(weights)
        self._networks.append((digest, task, network.eval().to(self.device)))

    @property
    def seeds(self) -> int:
        """Number of models."""
        return len(self._networks)

    @property
    def width(self) -> int:
        """Number of predictions per graph: seeds x outputs."""
        return self.seeds * self.task.outputs

    def nodes(self, columns: GraphColumns, tables: FeatureTables, wanted: Pooling) -> NodeVectors:
        """Return the predictions for graphs; see `Encoder.nodes`."""
        encoder = next(iter(self._encoders.values()))
        rows = [self.batch(b, wanted).rows for b in encoder.batches(columns, tables)]
        joined = np.concatenate([np.zeros((0, self.width), np.float32), *rows])
        return NodeVectors(joined, np.arange(len(joined) + 1))

    @torch.no_grad()
    def batch(self, batch: HeteroBatch, wanted: Pooling) -> NodeVectors:
        """Return the predictions for a batch on the device."""
        seen: dict[tuple[str, str, str], torch.Tensor] = {}
        rows = []
        for digest, task, network in self._networks:
            key = (digest, network.config.view, network.config.pooling)
            if key not in seen or not network.config.frozen:
                seen[key] = network.features(batch).float()
            rows.append(task.predictions(network.head(seen[key])))
        joined = torch.cat(rows, 1).cpu().numpy()
        return NodeVectors(joined, np.arange(len(joined) + 1))


def _check_head(
    folder: Path, hidden: int, task: Task, config: HeadConfig, weights: Mapping[str, torch.Tensor]
) -> None:
    """Raise CheckpointError if a head does not fit its weights, its encoder or its task."""
    try:
        with torch.device("meta"):  # shapes without memory: the sizes may be too large
            head = TaskHead(config)
        fits = (config.hidden, config.outputs) == (hidden, task.outputs)
        if task.kind == "regression":
            fits &= len(task.mean) == len(task.std) == len(task.targets)
        head.load_state_dict(dict(weights), assign=True)
    except (RuntimeError, ValueError):
        fits = False
    if not fits:
        raise CheckpointError(
            f"the head in {folder} is not of this version of pepland-data; run the "
            "fine-tuning again"
        )
