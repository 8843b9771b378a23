"""Predictions of a fine-tuned run for new peptides, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from pepland_data.errors import InputError
from pepland_data.files.atomic import write_atomic
from pepland_model.embed.embed import EmbedInput, Report, write_all
from pepland_model.embed.rows import EmbeddedRows
from pepland_model.finetune.predictor import Predictor
from pepland_model.finetune.run_predictions import value_columns
from pepland_model.network.pooling import Pooling
from pepland_model.run.distributed import pick_device

ENDINGS = (".parquet", ".csv", ".npz")


class PredictionWriter:
    """Collect predictions, and write the file when the context ends without an error.

    Columns: ``row_id``, ``text``, ``prediction`` (mean over the seeds), ``spread`` (standard
    deviation over the seeds), for a classification ``probability_<class>``, and ``reason`` for a
    row without a prediction. Several targets have ``prediction_<name>`` and ``spread_<name>``.

    Raises:
        InputError: the file does not end with .parquet, .csv or .npz, or its folder is missing.
    """

    def __init__(self, path: Path, predictor: Predictor) -> None:
        if path.suffix not in ENDINGS:
            raise InputError(
                f"{path} has an unknown format; end the name with {', '.join(ENDINGS)}"
            )
        if not path.parent.is_dir() or path.is_dir():
            raise InputError(f"{path} cannot be written; name a file in an existing folder")
        self.path, self.predictor = path, predictor
        self._parts: list[EmbeddedRows] = []

    def __enter__(self) -> PredictionWriter:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        if error is None:
            self._publish(self.columns())

    def write(self, part: EmbeddedRows) -> None:
        """Add the predictions of some rows."""
        self._parts.append(part)

    def columns(self) -> dict[str, Any]:
        """Return all columns, with the rows in the order of the input."""
        empty = np.zeros((0, self.predictor.width), np.float32)
        values = np.concatenate([empty, *(part.embeddings.vectors for part in self._parts)])
        reasons = [reason for part in self._parts for reason in part.embeddings.reasons]
        return {
            "row_id": np.concatenate([np.zeros(0, np.int64), *(p.row_id for p in self._parts)]),
            "text": [text for part in self._parts for text in part.texts],
            **self._predicted(values, np.array([reason is None for reason in reasons], bool)),
            "reason": reasons,
        }

    def _predicted(
        self, values: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]
    ) -> dict[str, Any]:
        """Return the prediction columns.

        Args:
            values: [N, seeds x outputs], NaN for rows without a prediction.
            valid: [N], whether there is a prediction.
        """
        task = self.predictor.task
        by_seed = values.reshape(len(values), self.predictor.seeds, task.outputs)
        mean, spread = by_seed.mean(1), by_seed.std(1)
        if task.kind == "regression":
            return {
                name: column
                for what, found in (("prediction", mean), ("spread", spread))
                for name, column in zip(value_columns(task.targets, what), found.T, strict=True)
            }
        best = np.where(valid, np.nan_to_num(mean).argmax(1), 0)
        labels = [task.classes[i] if ok else None for i, ok in zip(best, valid, strict=True)]
        columns = {f"probability_{c}": mean[:, i] for i, c in enumerate(task.classes)}
        return {"prediction": labels, "spread": spread[np.arange(len(best)), best], **columns}

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
            write_atomic(self.path, lambda file: csv.write_csv(table, file))
        else:
            write_atomic(self.path, lambda file: pq.write_table(table, file))


def _table(columns: dict[str, Any]) -> Any:
    """Return the columns as an Arrow table, with null for NaN."""
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
    """Write the predictions of a fine-tuned run for all rows of an input.

    Args:
        run: run folder of fine-tuning, or one of its ``seed-*/model`` folders.
        source: the input.
        out: file that ends with ``.parquet``, ``.csv`` or ``.npz``; replaced at the end.
        device: as for `embed`.
        exact: as for `embed`.
        progress: as for `embed`.

    Returns:
        The report of `embed`, with task, target and number of seeds.
    """
    predictor = Predictor(run, pick_device(device), exact)
    writer = PredictionWriter(Path(out), predictor)
    report = write_all(predictor, source, Pooling(), writer, progress)
    task = predictor.task
    facts = {"task": task.kind, "target": task.target, "seeds": predictor.seeds}
    return {"out": str(out), **report, **facts}
