"""A fine-tuned run as one predictor: the mean of its seeds, and how far they are apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.files.atomic import file_sha256, write_atomic
from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_model.embed.embed import EmbedInput, Report, write_all
from pepland_model.embed.encoder import Encoder, NodeVectors
from pepland_model.embed.rows import EmbeddedRows
from pepland_model.finetune.task_network import HeadConfig, Task, TaskHead, TaskNetwork
from pepland_model.network.model_files import MODEL
from pepland_model.network.pooling import Pooling
from pepland_model.run.checkpoint import STATE, CheckpointError, read_checkpoint
from pepland_model.run.distributed import pick_device

ENDINGS = (".parquet", ".csv", ".npz")


def model_folders(run: str | Path) -> list[Path]:
    """Return the models of a fine-tuned run, or the one model folder that is named.

    Raises:
        CheckpointError: there is none.
    """
    run = Path(run)
    if (run / STATE).is_file() and (run / "head.safetensors").is_file():
        return [run]
    found = [p for p in run.glob("seed-*/model") if (p / STATE).is_file()]
    if not found:
        raise CheckpointError(
            f"{run} holds no fine-tuned model; expected a run of pepland-train --task regression "
            "or classification, or one of its seed-*/model folders"
        )
    return sorted(found, key=lambda p: int(p.parent.name.partition("-")[2]))


class Predictor:
    """Does for predictions what `Encoder` does for vectors, so that the same inputs can be read.

    A row has the predictions of all seeds side by side, each with the task's outputs.

    Args:
        run: fine-tuned run, or one of its models.
        device: where it computes.
        exact: see `Encoder`.

    Raises:
        CheckpointError: no such model, or a damaged one.
        InputError: models of different tasks.
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
        if any(_meaning(task) != _meaning(self.task) for _, task, _ in self._networks):
            raise InputError(f"the models in {run} predict different things")

    def _add(self, folder: Path) -> None:
        """Load a model; seeds with one frozen encoder share it."""
        found = read_checkpoint(folder)
        task = Task.from_dict(found.state["task"])
        digest = file_sha256(folder / MODEL)
        if digest not in self._encoders:
            self._encoders[digest] = Encoder(folder, self.device, self.exact)
        config = HeadConfig(**found.state["head"])
        network = TaskNetwork(self._encoders[digest].model, config)
        head: TaskHead = network.head
        try:
            head.load_state_dict(found.tensors["head"])
        except (RuntimeError, KeyError) as error:
            raise CheckpointError(
                f"the head in {folder} is not of this version of pepland-data; fine-tune again"
            ) from error
        self._networks.append((digest, task, network.eval().to(self.device)))

    @property
    def seeds(self) -> int:
        """Models whose mean is taken."""
        return len(self._networks)

    @property
    def width(self) -> int:
        """Numbers in a row: seeds x outputs."""
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
            if key not in seen:
                seen[key] = network.features(batch).float()
            rows.append(task.predictions(network.head(seen[key])))
        joined = torch.cat(rows, 1).cpu().numpy()
        return NodeVectors(joined, np.arange(len(joined) + 1))


def _meaning(task: Task) -> tuple[Any, ...]:
    return task.kind, task.target, task.classes


@dataclass(frozen=True, eq=False)
class Predictions:
    """Mean over seeds and their spread."""

    mean: npt.NDArray[np.float32]
    """[N, outputs], value in the column's unit or probability of each class; NaN where none."""
    spread: npt.NDArray[np.float32]
    """[N, outputs], standard deviation over the seeds, 0 for one seed."""


def over_models(rows: npt.NDArray[np.float32], seeds: int) -> Predictions:
    """Return mean and spread of [N, seeds x outputs] predictions."""
    each = rows.reshape(len(rows), seeds, -1)
    return Predictions(each.mean(1), each.std(1))


class PredictionWriter:
    """Collects parts; the file (.parquet, .csv or .npz) appears when the context ends well.

    Columns: ``row_id``, ``text``, ``prediction``, ``spread``, of a classification
    ``probability_<class>``, and ``reason`` where there is no prediction.

    Raises:
        InputError: another ending, or no such folder.
    """

    def __init__(self, path: Path, predictor: Predictor) -> None:
        if path.suffix not in ENDINGS:
            raise InputError(f"{path} should end with {', '.join(ENDINGS)} to hold predictions")
        if not path.parent.is_dir() or path.is_dir():
            raise InputError(f"{path} cannot be written: name a file in a folder that is there")
        self.path, self.predictor = path, predictor
        self._parts: list[EmbeddedRows] = []

    def __enter__(self) -> PredictionWriter:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        if error is None:
            self._publish(self.columns())

    def write(self, part: EmbeddedRows) -> None:
        """Keep a part."""
        self._parts.append(part)

    def columns(self) -> dict[str, Any]:
        """Return all columns, row by row as the input."""
        blank = np.zeros((0, self.predictor.width), np.float32)
        rows = np.concatenate([blank, *(part.embeddings.vectors for part in self._parts)])
        found = over_models(rows, self.predictor.seeds)
        reasons = [reason for part in self._parts for reason in part.embeddings.reasons]
        return {
            "row_id": np.concatenate([np.zeros(0, np.int64), *(p.row_id for p in self._parts)]),
            "text": [text for part in self._parts for text in part.texts],
            **self._predicted(found, np.array([reason is None for reason in reasons], bool)),
            "reason": reasons,
        }

    def _predicted(self, found: Predictions, valid: npt.NDArray[np.bool_]) -> dict[str, Any]:
        task = self.predictor.task
        if task.kind == "regression":
            return {"prediction": found.mean[:, 0], "spread": found.spread[:, 0]}
        best = np.where(valid, np.nan_to_num(found.mean).argmax(1), 0)
        labels = [task.classes[i] if ok else None for i, ok in zip(best, valid, strict=True)]
        shares = {f"probability_{c}": found.mean[:, i] for i, c in enumerate(task.classes)}
        return {"prediction": labels, "spread": found.spread[np.arange(len(best)), best], **shares}

    def _publish(self, columns: dict[str, Any]) -> None:
        if self.path.suffix == ".npz":
            texts = ("text", "prediction", "reason")
            arrays = {
                key: np.array(["" if v is None else v for v in values], np.str_)
                if key in texts and isinstance(values, list)
                else values
                for key, values in columns.items()
            }
            write_atomic(self.path, lambda file: np.savez(file, allow_pickle=False, **arrays))
            return
        table = _table(columns)
        if self.path.suffix == ".csv":
            from pyarrow import csv

            write_atomic(self.path, lambda file: csv.write_csv(table, file))
        else:
            import pyarrow.parquet as pq

            write_atomic(self.path, lambda file: pq.write_table(table, file))


def _table(columns: dict[str, Any]) -> Any:
    """Return an Arrow table; NaN becomes null."""
    import pyarrow as pa

    clean = [t.encode("utf-8", "replace").decode() for t in columns["text"]]
    texts = {"text": pa.array(clean, pa.large_string()),
             "reason": pa.array(columns["reason"], pa.string())}  # fmt: skip
    others = {
        key: pa.array(values, from_pandas=True)
        if isinstance(values, np.ndarray)
        else pa.array(values, pa.string())
        for key, values in columns.items()
        if key not in texts
    }
    return pa.table({key: texts[key] if key in texts else others[key] for key in columns})


def predict(
    run: str | Path,
    source: EmbedInput,
    out: str | Path,
    device: str = "auto",
    exact: bool = False,
    progress: Report = lambda rows: None,
) -> dict[str, Any]:
    """Write what a fine-tuned run predicts for all rows of an input.

    Args:
        run: run folder of fine-tuning, or one of its ``seed-*/model`` folders.
        source: the input.
        out: ends with ``.parquet``, ``.csv`` or ``.npz``; replaced when all is done.
        device: as for `embed`.
        exact: as for `embed`.
        progress: as for `embed`.

    Returns:
        As `embed`, and task, target and the number of seeds.
    """
    predictor = Predictor(run, pick_device(device), exact)
    writer = PredictionWriter(Path(out), predictor)
    report = write_all(predictor, source, Pooling(), writer, progress)
    task = predictor.task
    told = {"task": task.kind, "target": task.target, "seeds": predictor.seeds}
    return {"out": str(out), **report, **told}
